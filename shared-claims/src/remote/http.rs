//! The HTTP client: GET with limits on time and size, without redirects, and with plain HTTP only where it is allowed. Client
//! credentials are sent only to the event stream.

use std::{
    error::Error,
    time::{Duration, UNIX_EPOCH},
};

use reqwest::{
    Certificate, Client, ClientBuilder, RequestBuilder, Response, StatusCode,
    header::{
        ACCEPT, ACCEPT_ENCODING, AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, DATE,
        ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, RETRY_AFTER,
    },
    redirect,
};
use tokio::time::timeout;
use url::{Host, Url};

use super::credentials::Credentials;
use crate::{
    error::{
        refusal::Refusal,
        setup::{KeySetError, SetupError},
    },
    inflate,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// From the first byte sent to the last one received; for an event stream, to the end of the head.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(5);
const EVENT_STREAM: &str = "text/event-stream";

/// The current revision of the key set, in responses of auth-service.
const X_KEYS_REVISION: HeaderName = HeaderName::from_static("x-keys-revision");

/// The conditions of a request.
#[derive(Clone, Copy, Default)]
pub(super) struct Conditions<'a> {
    /// Respond with 304 if the content still has this `ETag`.
    pub(super) etag: Option<&'a HeaderValue>,
    /// Something newer is known to exist, so no cache on the way may respond by itself (RFC 9111 section 5.2.1.4).
    pub(super) bypass_caches: bool,
}

/// The kind of document that is fetched.
struct DocumentKind {
    /// `None` for JSON with any media type.
    media_type: Option<&'static str>,
    /// The longest accepted body, before and after decompression.
    max_bytes: usize,
}

const DOCUMENT: DocumentKind = DocumentKind { media_type: None, max_bytes: 512 * 1024 };
/// A status list (draft-ietf-oauth-status-list sections 8.1 and 8.2), which may be compressed.
const STATUS_LIST: DocumentKind =
    DocumentKind { media_type: Some("application/statuslist+jwt"), max_bytes: 2 * 1024 * 1024 };

/// The reason why nothing usable was fetched. The text is for logs and for readiness.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{0:?} cannot be used: {1}")]
    Url(String, &'static str),
    #[error("{url}: {}", chain(source))]
    Transport { url: Url, source: reqwest::Error },
    #[error("{url} answered {status}")]
    Status {
        url: Url,
        status: StatusCode,
        /// When to retry (RFC 9110 section 10.2.3).
        retry_after: Option<Duration>,
    },
    #[error("{0} sent a response that is too large")]
    TooLarge(Url),
    #[error("{0}: {1}")]
    Content(Url, &'static str),
    /// Metadata that names another issuer.
    #[error("{0}: the metadata is of another issuer: {1}")]
    Issuer(Url, String),
    #[error("{0}: {1}")]
    Keys(Url, KeySetError),
    #[error("{0}: {1}")]
    List(Url, Refusal),
}

/// A usable response.
pub(super) struct Fetched {
    /// `None` if the content with the known `ETag` is still current.
    pub(super) body: Option<Vec<u8>>,
    pub(super) etag: Option<HeaderValue>,
    /// How long the response may be cached, in seconds (RFC 9111 section 5.2.2.1).
    pub(super) max_age: Option<u64>,
    /// The issuer's time when the response arrived, in seconds since 1970, if it has a `Date`.
    pub(super) date: Option<u64>,
    /// The current revision of the key set, if the response has one.
    pub(super) keys_revision: Option<u64>,
}

/// The client and its rules.
pub(super) struct Http {
    client: Client,
    plain_hosts: Vec<String>,
    credentials: Option<Credentials>,
}

impl Http {
    /// Builds the client. With `plain`, the first request uses HTTP, so that a machine without trusted certificates, such as a
    /// small container, is accepted.
    pub(super) fn new(
        plain_hosts: Vec<String>,
        ca_pem: Option<&[u8]>,
        plain: bool,
        credentials: Option<Credentials>,
    ) -> Result<Self, SetupError> {
        let builder = || {
            builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .redirect(redirect::Policy::none())
                .user_agent(concat!("shared-claims/", env!("CARGO_PKG_VERSION")))
        };
        let client = match ca_pem {
            Some(pem) => builder().tls_certs_only(certificates(pem)?).build(),
            None => match builder().build() {
                Err(_) if plain => builder().tls_certs_only([]).build(),
                built => built,
            },
        };
        let client = client.map_err(|error| SetupError::HttpClient(chain(&error)))?;
        Ok(Self { client, plain_hosts, credentials })
    }

    /// Builds a client that trusts no certificate, so that it is built quickly and can reach no server.
    #[cfg(feature = "testing")]
    pub(super) fn without_network(plain_hosts: Vec<String>) -> Result<Self, SetupError> {
        let client = builder().tls_certs_only([]).build();
        let client = client.map_err(|error| SetupError::HttpClient(chain(&error)))?;
        Ok(Self { client, plain_hosts, credentials: None })
    }

    /// Returns whether there are credentials for the event stream.
    pub(super) fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// Checks that this URL may be fetched.
    pub(super) fn check(&self, url: &Url) -> Result<(), &'static str> {
        let local = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let listed =
            || self.plain_hosts.iter().any(|host| url.host_str() == Some(&host.to_ascii_lowercase()));
        match url.scheme() {
            _ if !url.username().is_empty() || url.password().is_some() => Err("it holds credentials"),
            "https" => Ok(()),
            "http" if local || listed() => Ok(()),
            "http" => Err("plain HTTP is only allowed for the loopback and for listed hosts"),
            _ => Err("it is neither https nor http"),
        }
    }

    /// Fetches `url`, under these conditions.
    pub(super) async fn get(&self, url: &Url, known: Conditions<'_>) -> Result<Fetched, FetchError> {
        self.fetch(url, &DOCUMENT, known).await
    }

    /// Fetches a status list, which may be compressed.
    pub(super) async fn get_list(&self, url: &Url, known: Conditions<'_>) -> Result<Fetched, FetchError> {
        self.fetch(url, &STATUS_LIST, known).await
    }

    async fn fetch(
        &self,
        url: &Url,
        kind: &DocumentKind,
        known: Conditions<'_>,
    ) -> Result<Fetched, FetchError> {
        let mut request = self.client.get(url.clone()).timeout(TOTAL_TIMEOUT);
        if let Some(media_type) = kind.media_type {
            request = request.header(ACCEPT, media_type).header(ACCEPT_ENCODING, "gzip");
        }
        if let Some(etag) = known.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if known.bypass_caches {
            request = request.header(CACHE_CONTROL, "no-cache");
        }
        let response = self.send(url, request).await?;
        let (etag, max_age) = (response.headers().get(ETAG).cloned(), max_age(response.headers()));
        let date = date(&response);
        let keys_revision = header(&response, &X_KEYS_REVISION).parse().ok();
        let body = match response.status() {
            StatusCode::OK => Some(read(url, response, kind).await?),
            StatusCode::NOT_MODIFIED if known.etag.is_some() => None,
            _ => return Err(bad_status(url, &response)),
        };
        Ok(Fetched { body, etag, max_age, date, keys_revision })
    }

    /// Opens an event stream. It has no end, so its reader has to limit the time. Credentials are only sent where
    /// [`check`](Self::check) lets requests go: over TLS, to the loopback, or to a host that is allowed plain HTTP.
    pub(super) async fn open_stream(&self, url: &Url, named: bool) -> Result<Response, FetchError> {
        let mut request = self.client.get(url.clone()).header(ACCEPT, EVENT_STREAM);
        if let Some(credentials) = self.credentials.as_ref().filter(|_| named) {
            request = request.header(AUTHORIZATION, credentials.basic());
        }
        let response = timeout(TOTAL_TIMEOUT, self.send(url, request)).await;
        let response = response.map_err(|_| FetchError::Content(url.clone(), "no answer in time"))??;
        match response.status() {
            StatusCode::OK if is_of_type(&response, EVENT_STREAM) => Ok(response),
            StatusCode::OK => Err(FetchError::Content(url.clone(), "not an event stream")),
            _ => Err(bad_status(url, &response)),
        }
    }

    async fn send(&self, url: &Url, request: RequestBuilder) -> Result<Response, FetchError> {
        self.check(url).map_err(|why| FetchError::Url(url.to_string(), why))?;
        request.send().await.map_err(|error| transport(url, error))
    }
}

/// Returns a builder that does not depend on features of reqwest that other crates enable: each of them would change a default.
fn builder() -> ClientBuilder {
    Client::builder()
        .tls_backend_rustls() // not `native-tls`
        .no_proxy() // a proxy would be used for the loopback too
        .no_hickory_dns()
        .no_gzip() // `inflate` decompresses, up to a limit
        .no_brotli()
        .no_deflate()
        .no_zstd()
}

/// Reads and decompresses the body, if it has the expected media type.
async fn read(url: &Url, response: Response, kind: &DocumentKind) -> Result<Vec<u8>, FetchError> {
    if kind.media_type.is_some_and(|media_type| !is_of_type(&response, media_type)) {
        return Err(FetchError::Content(url.clone(), "another media type than was requested for"));
    }
    let encoding = header(&response, &CONTENT_ENCODING).to_ascii_lowercase();
    let body = read_limited(url, response, kind.max_bytes).await?;
    match encoding.as_str() {
        "" | "identity" => Ok(body),
        "gzip" | "x-gzip" => inflate::gzip(&body, kind.max_bytes).map_err(|error| match error {
            inflate::InflateError::TooLarge => FetchError::TooLarge(url.clone()),
            inflate::InflateError::Broken => FetchError::Content(url.clone(), "broken gzip"),
        }),
        _ => Err(FetchError::Content(url.clone(), "a content coding that was not requested for")),
    }
}

/// Reads the body, up to a limit.
async fn read_limited(url: &Url, mut response: Response, max_bytes: usize) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| transport(url, error))? {
        if body.len() + chunk.len() > max_bytes {
            return Err(FetchError::TooLarge(url.clone()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn header<'a>(response: &'a Response, name: &HeaderName) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
}

fn is_of_type(response: &Response, media_type: &str) -> bool {
    let value = header(response, &CONTENT_TYPE);
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
}

fn bad_status(url: &Url, response: &Response) -> FetchError {
    let retry_after = header(response, &RETRY_AFTER).parse().ok().map(Duration::from_secs);
    FetchError::Status { url: url.clone(), status: response.status(), retry_after }
}

/// Returns the `Date` plus the `Age`, for which a cache has kept the response (RFC 9111 section 5.1).
fn date(response: &Response) -> Option<u64> {
    let at = httpdate::parse_http_date(header(response, &DATE)).ok()?;
    let at = at.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(at.saturating_add(header(response, &AGE).parse().unwrap_or_default()))
}

fn transport(url: &Url, error: reqwest::Error) -> FetchError {
    FetchError::Transport { url: url.clone(), source: error.without_url() }
}

fn max_age(headers: &HeaderMap) -> Option<u64> {
    let directives = headers.get(CACHE_CONTROL)?.to_str().ok()?.split(',');
    directives
        .filter_map(|directive| directive.trim().strip_prefix("max-age="))
        .find_map(|age| age.parse().ok())
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, SetupError> {
    match Certificate::from_pem_bundle(pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(SetupError::Certificates),
    }
}

/// Returns the text of an error and its causes: reqwest's own text only says that sending failed.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
