//! One GET with every limit: time, size, no redirects, no plain HTTP where it is not allowed.

use std::{error::Error, time::Duration};

use reqwest::{
    Certificate, Client, Response, StatusCode,
    header::{CACHE_CONTROL, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH},
    redirect,
};
use url::{Host, Url};

use crate::{KeySetError, SetupError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// From the first byte sent to the last one received.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(5);
/// A longer body is cut off and refused, in bytes.
const MAX_BODY: usize = 512 * 1024;

/// Why nothing usable was fetched. The text is for logs and for readiness.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{0} cannot be used: {1}")]
    Url(String, &'static str),
    #[error("{0}: {1}")]
    Transport(Url, String),
    #[error("{0} answered {1}")]
    Status(Url, StatusCode),
    #[error("{0} answered more than {MAX_BODY} bytes")]
    TooLarge(Url),
    #[error("{0}: {1}")]
    Metadata(Url, &'static str),
    #[error("{0}: {1}")]
    Keys(Url, KeySetError),
}

/// An answer that can be used.
pub(super) struct Fetched {
    /// `None`: what the `ETag` stands for is still current.
    pub(super) body: Option<Vec<u8>>,
    pub(super) etag: Option<HeaderValue>,
    /// How long the answer may be kept, in seconds (RFC 9111 section 5.2.2.1).
    pub(super) max_age: Option<u64>,
}

/// The client and its rules.
pub(super) struct Http {
    client: Client,
    http_hosts: Vec<String>,
}

impl Http {
    /// `plain` says that the first request goes over HTTP, so that a machine without any trusted
    /// certificates, as in a small container, is good enough.
    pub(super) fn new(
        http_hosts: Vec<String>,
        ca_pem: Option<&[u8]>,
        plain: bool,
    ) -> Result<Self, SetupError> {
        let builder = || {
            Client::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(TOTAL_TIMEOUT)
                .redirect(redirect::Policy::none())
                .no_proxy() // a proxy for the world would be asked for the loopback too
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
        Ok(Self { client, http_hosts })
    }

    /// Whether this URL may be asked at all.
    pub(super) fn check(&self, url: &Url) -> Result<(), &'static str> {
        let local = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let listed = || self.http_hosts.iter().any(|host| url.host_str() == Some(&host.to_ascii_lowercase()));
        match url.scheme() {
            _ if !url.username().is_empty() || url.password().is_some() => Err("it holds credentials"),
            "https" => Ok(()),
            "http" if local || listed() => Ok(()),
            "http" => Err("plain HTTP is for the loopback and for the hosts that are allowed it"),
            _ => Err("it is neither https nor http"),
        }
    }

    /// Fetches `url`, or learns that it has not changed since `etag`.
    pub(super) async fn get(&self, url: &Url, etag: Option<&HeaderValue>) -> Result<Fetched, FetchError> {
        self.check(url).map_err(|why| FetchError::Url(url.to_string(), why))?;
        let transport =
            |error: reqwest::Error| FetchError::Transport(url.clone(), chain(&error.without_url()));
        let mut request = self.client.get(url.clone());
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let response = request.send().await.map_err(transport)?;
        let body = match response.status() {
            StatusCode::OK => None,
            StatusCode::NOT_MODIFIED if etag.is_some() => Some(None),
            other => return Err(FetchError::Status(url.clone(), other)),
        };
        let (etag, max_age) = (response.headers().get(ETAG).cloned(), max_age(response.headers()));
        let body = match body {
            Some(unchanged) => unchanged,
            None => Some(read(response).await.map_err(transport)?.ok_or(FetchError::TooLarge(url.clone()))?),
        };
        Ok(Fetched { body, etag, max_age })
    }
}

/// The body, or `None` as soon as it is longer than allowed.
async fn read(mut response: Response) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BODY {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
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

/// An error with what caused it: reqwest's own text alone says only that sending failed.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
