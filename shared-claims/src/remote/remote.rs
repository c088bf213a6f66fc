//! `Remote`: the settings for fetching an issuer's keys and status lists.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    credentials::Credentials,
    discovery::Location,
    http::Http,
    refresher::Refresher,
    state::{Limits, State},
};
use crate::{error::setup::SetupError, key_store::KeyStore, policy::Policy};

/// How long keys and status lists are used while the issuer is unreachable.
const DEFAULT_STALENESS: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest lifetime of access tokens, unless it is set: keys and lists are not used longer either.
const DEFAULT_TOKEN_LIFETIME: Duration = DEFAULT_STALENESS;
const DEFAULT_LIMITS: Limits =
    Limits { lists: 4096, list_bytes: 1024 * 1024, token_lifetime: DEFAULT_TOKEN_LIFETIME };

/// Settings for fetching an issuer's keys and status lists.
///
/// A token with a `status` claim is checked against the status list that it names (draft-ietf-oauth-status-list), and refused
/// as [`Revoked`](crate::error::Refusal::Revoked) if the value at its index is not 0. Lists are fetched only from the issuer's
/// origin and from the origin of the `status_list_aggregation_endpoint` in its metadata; a token that names another origin is
/// refused.
///
/// If the metadata has a `status_list_events_endpoint`, as auth-service's has, the issuer reports changes immediately. Without
/// an event stream, the aggregation endpoint is polled once a second if its response has `revisions`, as auth-service's has.
/// Otherwise each list is fetched as often as its `ttl` says.
///
/// URLs must be `https`, except for hosts on the loopback (`127.0.0.0/8`, `::1`, `localhost`) and those in
/// [`allow_http_hosts`](Self::allow_http_hosts). Redirects are not followed and no proxy is used.
///
/// ```
/// # use shared_claims::{Policy, Remote, Verifier};
/// let policy = Policy::new("https://auth.example.com", ["orders"])?;
/// let verifier = Verifier::remote(policy, Remote::discover())?; // no I/O here
/// // In a tokio runtime: verifier.start();
/// # Ok::<(), shared_claims::error::SetupError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Remote {
    jwks_uri: Option<String>,
    internal_url: Option<String>,
    ca_pem: Option<Vec<u8>>,
    pub(super) http_hosts: Vec<String>,
    pub(super) max_staleness: Duration,
    pub(super) limits: Option<Limits>,
    snapshot: Option<PathBuf>,
    credentials: Option<Credentials>,
}

impl Remote {
    /// Finds the keys through the metadata of the policy's issuer: RFC 8414, or else `OpenID` Connect Discovery.
    #[must_use]
    pub fn discover() -> Self {
        Self {
            jwks_uri: None,
            internal_url: None,
            ca_pem: None,
            http_hosts: Vec::new(),
            max_staleness: DEFAULT_STALENESS,
            limits: Some(DEFAULT_LIMITS),
            snapshot: None,
            credentials: None,
        }
    }

    /// Sets the URL of the key set, so that no metadata is fetched. A status list is then fetched when a token names one on the
    /// issuer's origin, and again as often as its `ttl` says: from its path on the key set's origin, or else from its own URI;
    /// with an [`internal_url`](Self::internal_url), from there.
    #[must_use]
    pub fn jwks_uri(mut self, url: impl Into<String>) -> Self {
        self.jwks_uri = Some(url.into());
        self
    }

    /// Sets the origin (scheme, host, port) at which the issuer is reached inside the network. Metadata and everything else on
    /// the issuer's origin is fetched from there, with the same paths, except for a [`jwks_uri`](Self::jwks_uri). The names of
    /// the issuer and of status lists in tokens stay the same.
    #[must_use]
    pub fn internal_url(mut self, url: impl Into<String>) -> Self {
        self.internal_url = Some(url.into());
        self
    }

    /// Trusts only the certificates in this PEM text, instead of the system's.
    #[must_use]
    pub fn ca_file_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_pem = Some(pem.into());
        self
    }

    /// Allows plain HTTP for these host names (without ports).
    #[must_use]
    pub fn allow_http_hosts<I>(mut self, hosts: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.http_hosts.extend(hosts.into_iter().map(Into::into));
        self
    }

    /// Sets how long keys and status lists are used after the issuer last confirmed them; 24 hours by default. A status list
    /// also expires by its own `exp`.
    #[must_use]
    pub fn max_staleness(mut self, staleness: Duration) -> Self {
        self.max_staleness = staleness;
        self
    }

    /// Sets how many status lists are kept, and how large each may be when inflated, in bytes; 4096 and 1 MiB by default, which
    /// is eight million tokens each.
    #[must_use]
    pub fn status_list_limits(mut self, lists: usize, bytes: usize) -> Self {
        self.limits = self.limits.map(|limits| Limits { lists, list_bytes: bytes, ..limits });
        self
    }

    /// Sets the longest lifetime of this issuer's access tokens, from `iat` to `exp`; 24 hours by default.
    ///
    /// An issuer that was restored from a backup may publish status lists of earlier revisions, which lack later revocations.
    /// Such a list is merged with the one in memory: a token is refused if either of them revokes it. The merged list is used
    /// for this lifetime plus the policy's leeway, until every token has expired whose revocation the issuer may have lost.
    /// Meanwhile a list takes up to four times the memory.
    #[must_use]
    pub fn longest_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.limits = self.limits.map(|limits| Limits { token_lifetime: lifetime, ..limits });
        self
    }

    /// Sets a client's id and secret for the issuer's event stream, sent as HTTP Basic credentials (RFC 6749 section 2.3.1).
    /// auth-service reserves connections for such clients. They are sent to no other endpoint, and only over TLS, to the
    /// loopback, and to [hosts that are allowed plain HTTP](Self::allow_http_hosts). The secret is wiped when the verifier is
    /// dropped.
    ///
    /// If the issuer refuses them, the log warns and the verifier connects anonymously. It tries them again ten minutes later,
    /// if it has no stream then.
    #[must_use]
    pub fn credentials(mut self, client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.credentials = Some(Credentials::new(client_id.into(), secret.into()));
        self
    }

    /// Turns status lists off: a token is accepted until it expires, even after its session has ended.
    #[must_use]
    pub fn without_status_lists(mut self) -> Self {
        self.limits = None;
        self
    }

    /// Keeps keys and status lists in the file at `path`, so that a service that starts while the issuer is unreachable can
    /// verify tokens. It is read by [`start`](crate::Verifier::start), and written after changes, at most once a second.
    ///
    /// The folder must exist. Status lists are verified again when they are read, but a user who can write the file can add
    /// keys. So on Unix the file is ignored, with a warning, if it belongs to another user, if others may write to it, or if it
    /// is a symbolic link. If the folder belongs to another user or others may write to it, as with an `emptyDir` of
    /// Kubernetes, the file is kept in a private subfolder with mode 0700. Its name is the file's without the extension plus
    /// the user id, such as `verifier-10001`.
    ///
    /// A file that is broken, of another issuer, or older than [`max_staleness`](Self::max_staleness) is ignored too.
    #[must_use]
    pub fn snapshot(mut self, path: impl Into<PathBuf>) -> Self {
        self.snapshot = Some(path.into());
        self
    }

    pub(crate) fn longest_staleness(&self) -> Duration {
        self.max_staleness
    }

    /// Checks the settings and builds the refresher.
    pub(crate) fn refresher(self, policy: &Policy, keys: Arc<KeyStore>) -> Result<Refresher, SetupError> {
        let location =
            Location::new(policy.issuer(), self.jwks_uri.as_deref(), self.internal_url.as_deref())?;
        let plain = location.first_urls().all(|url| url.scheme() == "http");
        let http = Http::new(self.http_hosts, self.ca_pem.as_deref(), plain, self.credentials)?;
        for url in location.first_urls() {
            http.check(url).map_err(|error| SetupError::Url(url.to_string(), error))?;
        }
        let (state, requested) =
            State::new(policy.clone(), http, location, keys, self.max_staleness, self.limits);
        Ok(Refresher::new(state, requested, self.snapshot))
    }
}
