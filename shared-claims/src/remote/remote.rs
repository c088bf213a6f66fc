//! Where an issuer publishes its keys and status lists, whom to trust for it, and how long what was fetched is used.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    credentials::Credentials,
    discovery::Location,
    http::Http,
    refresher::Refresher,
    state::{Limits, State},
};
use crate::{error::setup::SetupError, key_store::KeyStore, policy::Policy};

/// How long keys and status lists are used when the issuer cannot be reached.
const DEFAULT_STALENESS: Duration = Duration::from_secs(24 * 60 * 60);
/// How long access tokens may live, if the settings do not say: what is older is not used either.
const DEFAULT_TOKEN_LIFETIME: Duration = DEFAULT_STALENESS;
const DEFAULT_LIMITS: Limits =
    Limits { lists: 4096, list_bytes: 1024 * 1024, token_lifetime: DEFAULT_TOKEN_LIFETIME };

/// Where and how the issuer's keys and status lists are fetched.
///
/// A token that carries a `status` is looked up in the status list that it names (draft-ietf-oauth-status-list), and
/// refused as [`Revoked`](crate::error::Refusal::Revoked) when its place there holds anything but 0. Lists are fetched from the
/// issuer's own origin, or from that of the `status_list_aggregation_endpoint` in its metadata; a token that names another
/// place is refused. Where metadata has a `status_list_events_endpoint`, as auth-service's has, changes are known at once.
/// While there is no stream, the aggregation endpoint is asked each second which lists have changed, if it says so in
/// `revisions`, as auth-service's does; else each list is asked for as often as its `ttl` says.
///
/// URLs must be `https`, except for hosts on the loopback (`127.0.0.0/8`, `::1`, `localhost`) and those that
/// [`allow_http_hosts`](Self::allow_http_hosts) names. Redirects are not followed and no proxy is used.
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
    /// Finds the keys by the metadata of the policy's issuer: RFC 8414, else `OpenID` Connect Discovery.
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

    /// Says outright where the key set is, so that no metadata is asked for. Status lists are then fetched when a token
    /// names one on the issuer's own origin, and asked for again as often as they say: at their path on the key set's
    /// origin, or else where they say they are; with an [`internal_url`](Self::internal_url), there.
    #[must_use]
    pub fn jwks_uri(mut self, url: impl Into<String>) -> Self {
        self.jwks_uri = Some(url.into());
        self
    }

    /// The origin (scheme, host, port) under which the issuer is reached from inside. Metadata is fetched
    /// there, and whatever else lies on the issuer's own origin, except for a [`jwks_uri`](Self::jwks_uri) that was
    /// said outright; paths stay the same, and so do the issuer's name and the status lists' in tokens.
    #[must_use]
    pub fn internal_url(mut self, url: impl Into<String>) -> Self {
        self.internal_url = Some(url.into());
        self
    }

    /// Trusts the certificates in this PEM text, and these alone, instead of the system's.
    #[must_use]
    pub fn ca_file_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_pem = Some(pem.into());
        self
    }

    /// Host names, without ports, that may be asked over plain HTTP.
    #[must_use]
    pub fn allow_http_hosts<I>(mut self, hosts: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.http_hosts.extend(hosts.into_iter().map(Into::into));
        self
    }

    /// How long keys and status lists are used when they cannot be confirmed; 24 hours by default. After that no
    /// token is judged by them. A status list also ends with its own `exp`.
    #[must_use]
    pub fn max_staleness(mut self, staleness: Duration) -> Self {
        self.max_staleness = staleness;
        self
    }

    /// How many status lists are kept, and how large each may be when inflated, in bytes; 4096 and 1 MiB by
    /// default, which is eight million tokens each.
    #[must_use]
    pub fn status_list_limits(mut self, lists: usize, bytes: usize) -> Self {
        self.limits = self.limits.map(|limits| Limits { lists, list_bytes: bytes, ..limits });
        self
    }

    /// How long access tokens of this issuer live at the most, from `iat` to `exp`; 24 hours by default.
    ///
    /// An issuer that was restored from a backup may publish status lists of earlier revisions than before, which do not
    /// have what was revoked since. They are merged with the list that is known for so long, and the policy's leeway: what
    /// either of them refuses is refused, and by then all tokens have expired that the issuer may have forgotten to revoke.
    /// A list takes up to four times the memory meanwhile.
    #[must_use]
    pub fn longest_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.limits = self.limits.map(|limits| Limits { token_lifetime: lifetime, ..limits });
        self
    }

    /// Shows a client's id and secret at the issuer's event stream, as HTTP Basic credentials (RFC 6749 section 2.3.1):
    /// auth-service keeps places there for clients that do. They are sent nowhere else, and only by TLS, to the loopback,
    /// and to [hosts that may be asked over plain HTTP](Self::allow_http_hosts). The secret is wiped when the verifier is
    /// dropped.
    ///
    /// When the issuer refuses them, the log warns, and the stream is asked for anonymously; they are shown again ten
    /// minutes later, when there is no stream then.
    #[must_use]
    pub fn credentials(mut self, client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.credentials = Some(Credentials::new(client_id.into(), secret.into()));
        self
    }

    /// Looks up no status: a token is good until it expires, also after the session has ended.
    #[must_use]
    pub fn without_status_lists(mut self) -> Self {
        self.limits = None;
        self
    }

    /// Keeps what was fetched in the file at `path`, so that a service that starts while the issuer is away can judge
    /// tokens at once. It is read by [`start`](crate::Verifier::start), and written after changes, at most once a second.
    ///
    /// The folder must be there. Status lists are verified again when they are read, but a user who can write the file can add
    /// keys; so on Unix a file is passed over, with a warning, that is not this user's own, that others may write to, or
    /// that is a symbolic link. A folder that is not this user's own, or that others may write to, as an `emptyDir` of
    /// Kubernetes, is shared: the file is then kept in a folder of its own in it, with mode 0700, whose name is the
    /// file's without its extension and the user's number, such as `verifier-10001`.
    ///
    /// A file that is broken, another issuer's or older than [`max_staleness`](Self::max_staleness) is passed over as well.
    #[must_use]
    pub fn snapshot(mut self, path: impl Into<PathBuf>) -> Self {
        self.snapshot = Some(path.into());
        self
    }

    pub(crate) fn longest_staleness(&self) -> Duration {
        self.max_staleness
    }

    /// Checks every setting and builds what will fetch.
    pub(crate) fn refresher(self, policy: &Policy, keys: Arc<KeyStore>) -> Result<Refresher, SetupError> {
        let location =
            Location::new(policy.issuer(), self.jwks_uri.as_deref(), self.internal_url.as_deref())?;
        let plain = location.first_urls().all(|url| url.scheme() == "http");
        let http = Http::new(self.http_hosts, self.ca_pem.as_deref(), plain, self.credentials)?;
        for url in location.first_urls() {
            http.check(url).map_err(|error| SetupError::Url(url.to_string(), error))?;
        }
        let (state, asked) =
            State::new(policy.clone(), http, location, keys, self.max_staleness, self.limits);
        Ok(Refresher::new(state, asked, self.snapshot))
    }
}
