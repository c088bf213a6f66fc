//! Finds an issuer's endpoints: by authorization server metadata (RFC 8414), or else `OpenID` Connect Discovery. Also decides
//! which URIs of status lists belong to the issuer.

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use url::{Origin, Url};

use super::http::{Conditions, FetchError, Http};
use crate::error::setup::SetupError;

/// The issuer and how it is reached.
pub(super) struct Location {
    issuer: String,
    keys: KeysAt,
    /// The issuer's origin; `None` if its name is not a URL.
    own: Option<Origin>,
    /// The URL whose origin replaces the issuer's.
    internal: Option<Url>,
}

/// The reason why metadata cannot be used.
pub(super) enum Unusable {
    Content(&'static str),
    /// It names another issuer. The name is truncated.
    Issuer(String),
}

/// The most characters of another issuer's name in an error.
const MAX_NAMED_CHARS: usize = 200;

/// How the key set is found.
enum KeysAt {
    /// At a configured URL.
    Configured(Url),
    /// By the issuer's metadata: the documents to try, in this order.
    Discovered([Url; 2]),
}

/// The URLs from which to fetch, which may differ from the names that the issuer gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub(super) keys: Url,
    /// The status list aggregation.
    pub(super) lists: Option<Url>,
    /// The event stream.
    pub(super) events: Option<Url>,
    /// The origin of lists, besides the issuer's.
    lists_origin: Option<Origin>,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
    /// An error in these does not prevent fetching keys.
    #[serde(default)]
    status_list_aggregation_endpoint: Value,
    #[serde(default)]
    status_list_events_endpoint: Value,
}

impl Endpoints {
    /// Creates endpoints of which only the key set's is known.
    pub(super) fn of_keys(keys: Url) -> Self {
        Self { keys, lists: None, events: None, lists_origin: None }
    }
}

impl Location {
    /// Creates the location from the key set's URL or, without one, from the name of the issuer, whose metadata is fetched from
    /// the origin of `internal` if that is given.
    pub(super) fn new(
        issuer: &str,
        jwks_uri: Option<&str>,
        internal: Option<&str>,
    ) -> Result<Self, SetupError> {
        let internal = internal.map(parse).transpose()?;
        if let Some(internal) = &internal
            && internal.path() != "/"
        {
            return Err(SetupError::Url(internal.to_string(), "it must be an origin, without a path"));
        }
        let keys = match jwks_uri {
            Some(uri) => KeysAt::Configured(parse(uri)?),
            None => KeysAt::Discovered(documents(issuer, internal.as_ref())?),
        };
        let own = Url::parse(issuer).ok().map(|url| url.origin());
        Ok(Self { issuer: issuer.to_owned(), keys, own, internal })
    }

    /// Returns the URL that is fetched first, and the internal one.
    pub(super) fn first_urls(&self) -> impl Iterator<Item = &Url> {
        let first = match &self.keys {
            KeysAt::Configured(url) => url,
            KeysAt::Discovered(documents) => &documents[0],
        };
        std::iter::once(first).chain(&self.internal)
    }

    /// Finds the endpoints.
    pub(super) async fn find(&self, http: &Http, bypass_caches: bool) -> Result<Endpoints, FetchError> {
        match &self.keys {
            KeysAt::Configured(url) => Ok(Endpoints::of_keys(url.clone())),
            KeysAt::Discovered([first, second]) => match self.read(http, first, bypass_caches).await {
                Err(error) if means_elsewhere(&error) => self
                    .read(http, second, bypass_caches)
                    .await
                    .map_err(|other| if is_absent(&error) { other } else { error }),
                found => found,
            },
        }
    }

    async fn read(&self, http: &Http, document: &Url, bypass_caches: bool) -> Result<Endpoints, FetchError> {
        let body =
            http.get(document, Conditions { etag: None, bypass_caches }).await?.body.unwrap_or_default();
        self.endpoints_in(&body).map_err(|why| match why {
            Unusable::Content(why) => FetchError::Content(document.clone(), why),
            Unusable::Issuer(named) => {
                let expected = &self.issuer;
                let why = format!("expected {expected:?}, got {named:?}");
                FetchError::Issuer(document.clone(), why)
            }
        })
    }

    /// Reads the endpoints from metadata, if it is this issuer's.
    pub(super) fn endpoints_in(&self, metadata: &[u8]) -> Result<Endpoints, Unusable> {
        let metadata: Metadata = serde_json::from_slice(metadata)
            .map_err(|_| Unusable::Content("not the metadata of an issuer"))?;
        if metadata.issuer != self.issuer {
            let named = metadata.issuer.chars().take(MAX_NAMED_CHARS).collect();
            return Err(Unusable::Issuer(named));
        }
        let keys = Url::parse(&metadata.jwks_uri).map_err(|_| Unusable::Content("jwks_uri is not a URL"))?;
        let optional = |value: &Value| Url::parse(value.as_str()?).ok();
        let lists = optional(&metadata.status_list_aggregation_endpoint);
        let events = optional(&metadata.status_list_events_endpoint);
        Ok(Endpoints {
            lists_origin: lists.as_ref().map(Url::origin),
            keys: self.reach(keys),
            lists: lists.map(|url| self.reach(url)),
            events: events.map(|url| self.reach(url)),
        })
    }

    /// Returns the URLs from which the status list `uri` may be fetched, in this order. There is none unless the list is on the
    /// issuer's origin or on that of the aggregation.
    pub(super) fn of_list(&self, uri: &str, endpoints: Option<&Endpoints>) -> Vec<Url> {
        let Ok(url) = Url::parse(uri) else { return Vec::new() };
        let origin = url.origin();
        let own = self.own.as_ref() == Some(&origin);
        let announced = endpoints.and_then(|endpoints| endpoints.lists_origin.as_ref()) == Some(&origin);
        let credentials = !url.username().is_empty() || url.password().is_some();
        match &self.keys {
            _ if credentials || !origin.is_tuple() || !(own || announced) => Vec::new(),
            // The URL of the keys may be configured because the issuer's name cannot be resolved here.
            KeysAt::Configured(keys) if self.internal.is_none() && keys.origin() != origin => {
                vec![moved(&url, keys), url]
            }
            _ => vec![self.reach(url)],
        }
    }

    /// Returns `url`, moved to the internal origin if it is on the issuer's.
    fn reach(&self, url: Url) -> Url {
        match &self.internal {
            Some(internal) if self.own == Some(url.origin()) => moved(&url, internal),
            _ => url,
        }
    }
}

/// Returns whether the issuer does not seem to publish this document: the response may be anything else, from a refusal to a
/// page of another application.
fn means_elsewhere(error: &FetchError) -> bool {
    match error {
        FetchError::Status { status, .. } => {
            !status.is_server_error() && *status != StatusCode::TOO_MANY_REQUESTS
        }
        FetchError::Content(..) | FetchError::Issuer(..) => true,
        _ => false,
    }
}

fn is_absent(error: &FetchError) -> bool {
    matches!(error, FetchError::Status { status: StatusCode::NOT_FOUND, .. })
}

/// Returns the URLs of the metadata: RFC 8414 section 3.1 inserts the well-known path before the issuer's path, `OpenID`
/// Connect appends it.
fn documents(issuer: &str, internal: Option<&Url>) -> Result<[Url; 2], SetupError> {
    let url = parse(issuer)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(SetupError::Url(issuer.to_owned(), "an issuer has neither query nor fragment"));
    }
    let base = internal.map_or_else(|| url.clone(), |internal| moved(&url, internal));
    let path = base.path().trim_end_matches('/');
    let at = |path: String| {
        let mut document = base.clone();
        document.set_path(&path);
        document
    };
    Ok([
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("{path}/.well-known/openid-configuration")),
    ])
}

/// Returns `url` with the scheme, host and port of `origin`.
fn moved(url: &Url, origin: &Url) -> Url {
    let mut moved = origin.clone();
    moved.set_path(url.path());
    moved.set_query(url.query());
    moved
}

/// Parses a URL from the settings.
fn parse(url: &str) -> Result<Url, SetupError> {
    let wrong = |why| SetupError::Url(url.to_owned(), why);
    let parsed = Url::parse(url).map_err(|_| wrong("it is not a URL, such as https://auth.example.com"))?;
    if parsed.has_host() { Ok(parsed) } else { Err(wrong("it has no host")) }
}
