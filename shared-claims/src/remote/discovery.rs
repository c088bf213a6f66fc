//! From an issuer's name to where it publishes: authorization server metadata (RFC 8414), else `OpenID` Connect
//! Discovery. Also: which URIs of status lists are its own.

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use url::{Origin, Url};

use super::http::{FetchError, Http, Known};
use crate::error::setup::SetupError;

/// The issuer, and how it is reached.
pub(super) struct Location {
    issuer: String,
    keys: KeysAt,
    /// The issuer's own origin; `None` when its name is no URL.
    own: Option<Origin>,
    /// The URL whose origin takes the place of the issuer's own.
    internal: Option<Url>,
}

/// Why metadata cannot be used.
pub(super) enum Unusable {
    Content(&'static str),
    /// It is of the issuer of this name, which is cut off when it is long.
    Issuer(String),
}

/// The most of another issuer's name that an error repeats.
const MAX_NAMED_CHARS: usize = 200;

/// Where the key set is.
enum KeysAt {
    /// Said outright.
    Outright(Url),
    /// In the issuer's metadata: the documents to ask for, in this order.
    Discovered([Url; 2]),
}

/// What the issuer says about itself; where things are fetched, not what they are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub(super) keys: Url,
    /// Names all status lists.
    pub(super) lists: Option<Url>,
    /// Tells of changes.
    pub(super) events: Option<Url>,
    /// Where lists may be besides the issuer's own origin.
    lists_origin: Option<Origin>,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
    /// A mistake in these is no reason to do without keys.
    #[serde(default)]
    status_list_aggregation_endpoint: Value,
    #[serde(default)]
    status_list_events_endpoint: Value,
}

impl Endpoints {
    /// Nothing is known but the key set's.
    pub(super) fn of_keys(keys: Url) -> Self {
        Self { keys, lists: None, events: None, lists_origin: None }
    }
}

impl Location {
    /// By the key set's URL, or else by the metadata of `issuer`, which is reached at the origin of `internal` if
    /// that is given.
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
            Some(uri) => KeysAt::Outright(parse(uri)?),
            None => KeysAt::Discovered(documents(issuer, internal.as_ref())?),
        };
        let own = Url::parse(issuer).ok().map(|url| url.origin());
        Ok(Self { issuer: issuer.to_owned(), keys, own, internal })
    }

    /// What will be asked, first of all what is asked first.
    pub(super) fn first_urls(&self) -> impl Iterator<Item = &Url> {
        let first = match &self.keys {
            KeysAt::Outright(url) => url,
            KeysAt::Discovered(documents) => &documents[0],
        };
        std::iter::once(first).chain(&self.internal)
    }

    /// Where things are.
    pub(super) async fn find(&self, http: &Http, outdated: bool) -> Result<Endpoints, FetchError> {
        match &self.keys {
            KeysAt::Outright(url) => Ok(Endpoints::of_keys(url.clone())),
            KeysAt::Discovered([first, second]) => match self.read(http, first, outdated).await {
                Err(error) if means_elsewhere(&error) => self
                    .read(http, second, outdated)
                    .await
                    .map_err(|other| if is_absent(&error) { other } else { error }),
                found => found,
            },
        }
    }

    async fn read(&self, http: &Http, document: &Url, outdated: bool) -> Result<Endpoints, FetchError> {
        let body = http.get(document, Known { etag: None, outdated }).await?.body.unwrap_or_default();
        self.endpoints_in(&body).map_err(|why| match why {
            Unusable::Content(why) => FetchError::Content(document.clone(), why),
            Unusable::Issuer(named) => {
                let wanted = &self.issuer;
                let why = format!("it names {named:?}, and {wanted:?} is wanted");
                FetchError::Issuer(document.clone(), why)
            }
        })
    }

    /// What metadata says, if it is this issuer's.
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

    /// Where the status list `uri` may be fetched, in this order, if it is one of the issuer's: on the issuer's origin, or
    /// on that of the announced aggregation. Nowhere when it is another's.
    pub(super) fn of_list(&self, uri: &str, endpoints: Option<&Endpoints>) -> Vec<Url> {
        let Ok(url) = Url::parse(uri) else { return Vec::new() };
        let origin = url.origin();
        let own = self.own.as_ref() == Some(&origin);
        let announced = endpoints.and_then(|endpoints| endpoints.lists_origin.as_ref()) == Some(&origin);
        let credentials = !url.username().is_empty() || url.password().is_some();
        match &self.keys {
            _ if credentials || !origin.is_tuple() || !(own || announced) => Vec::new(),
            // Whoever says where the keys are may do so because the issuer's name leads nowhere from here.
            KeysAt::Outright(keys) if self.internal.is_none() && keys.origin() != origin => {
                vec![moved(&url, keys), url]
            }
            _ => vec![self.reach(url)],
        }
    }

    /// `url`, or its inside when it is on the issuer's own origin.
    fn reach(&self, url: Url) -> Url {
        match &self.internal {
            Some(internal) if self.own == Some(url.origin()) => moved(&url, internal),
            _ => url,
        }
    }
}

/// Whether the issuer does not seem to publish this document: what there is instead may be anything, from a refusal to a
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

/// Where metadata may be: RFC 8414 section 3.1 inserts before the issuer's path, `OpenID` Connect appends.
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

/// `url` at the scheme, host and port of `origin`.
fn moved(url: &Url, origin: &Url) -> Url {
    let mut moved = origin.clone();
    moved.set_path(url.path());
    moved.set_query(url.query());
    moved
}

/// Reads a URL from the settings.
fn parse(url: &str) -> Result<Url, SetupError> {
    let wrong = |why| SetupError::Url(url.to_owned(), why);
    let parsed = Url::parse(url).map_err(|_| wrong("it is not a URL, such as https://auth.example.com"))?;
    if parsed.has_host() { Ok(parsed) } else { Err(wrong("it has no host")) }
}
