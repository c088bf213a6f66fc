//! Keys that an issuer publishes: where they are, whom to trust for them, and how they are kept fresh. The
//! only I/O.
//!
//! One background task fetches; requests read what it has stored. Only good news replaces what is known: an
//! answer that is late, too large, malformed or empty leaves the keys as they are.

mod discovery;
mod http;
mod refresher;
mod worker;

use std::{sync::Arc, time::Duration};

pub(crate) use refresher::Refresher;
use url::Url;

use self::{discovery::Location, http::Http, worker::Worker};
use crate::{SetupError, key_store::KeyStore};

/// How long keys are used when the issuer cannot be reached.
const DEFAULT_STALENESS: Duration = Duration::from_secs(24 * 60 * 60);

/// Where and how the issuer's keys are fetched.
///
/// URLs must be `https`, except for hosts on the loopback (`127.0.0.0/8`, `::1`, `localhost`) and those that
/// [`allow_http_hosts`](Self::allow_http_hosts) names. Redirects are not followed and no proxy is used.
///
/// ```
/// # use shared_claims::{Policy, Remote, Verifier};
/// let policy = Policy::new("https://auth.example.com", ["orders"])?;
/// let verifier = Verifier::remote(policy, Remote::discover())?; // no I/O here
/// // In a tokio runtime: verifier.start();
/// # Ok::<(), shared_claims::SetupError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Remote {
    jwks_uri: Option<String>,
    internal_url: Option<String>,
    ca_pem: Option<Vec<u8>>,
    http_hosts: Vec<String>,
    max_staleness: Duration,
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
        }
    }

    /// Says outright where the key set is, so that no metadata is asked for.
    #[must_use]
    pub fn jwks_uri(mut self, url: impl Into<String>) -> Self {
        self.jwks_uri = Some(url.into());
        self
    }

    /// The origin (scheme, host, port) under which the issuer is reached from inside. Metadata is fetched
    /// there, and a `jwks_uri` on the issuer's own origin as well; paths stay the same, and so does the
    /// issuer's name in tokens.
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

    /// How long keys are used when they cannot be confirmed; 24 hours by default. After that no token is
    /// judged.
    #[must_use]
    pub fn max_staleness(mut self, staleness: Duration) -> Self {
        self.max_staleness = staleness;
        self
    }

    pub(crate) fn longest_staleness(&self) -> Duration {
        self.max_staleness
    }

    /// Checks every setting and builds what will fetch.
    pub(crate) fn refresher(self, issuer: &str, store: Arc<KeyStore>) -> Result<Refresher, SetupError> {
        let location = match &self.jwks_uri {
            Some(uri) => Location::Outright(parse(uri)?),
            None => Location::discovered(issuer, self.internal_url.as_deref())?,
        };
        let first = location.first_url();
        let http = Http::new(self.http_hosts, self.ca_pem.as_deref(), first.scheme() == "http")?;
        http.check(first).map_err(|error| SetupError::Url(first.to_string(), error))?;
        Ok(Refresher::new(store, |asks, shared| Worker::new(issuer, http, location, asks, shared)))
    }
}

/// Reads a URL from the settings.
fn parse(url: &str) -> Result<Url, SetupError> {
    let wrong = |why| SetupError::Url(url.to_owned(), why);
    let parsed = Url::parse(url).map_err(|_| wrong("it is not a URL"))?;
    if parsed.has_host() { Ok(parsed) } else { Err(wrong("it has no host")) }
}
