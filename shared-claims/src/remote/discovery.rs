//! From an issuer's name to its key set: authorization server metadata (RFC 8414), else `OpenID` Connect
//! Discovery.

use reqwest::StatusCode;
use serde::Deserialize;
use url::{Origin, Url};

use super::{
    http::{FetchError, Http},
    parse,
};
use crate::SetupError;

/// Where the key set is.
pub(super) enum Location {
    /// Said outright.
    Outright(Url),
    /// In the issuer's metadata.
    Discovered(Box<Discovery>),
}

/// What is needed to find out.
pub(super) struct Discovery {
    issuer: String,
    /// The documents to ask for, in this order.
    documents: [Url; 2],
    /// The issuer's own origin, and the URL whose origin takes its place.
    internal: Option<(Origin, Url)>,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl Location {
    /// By the metadata of `issuer`, which is reached at the origin of `internal` if that is given.
    pub(super) fn discovered(issuer: &str, internal: Option<&str>) -> Result<Self, SetupError> {
        let url = parse(issuer)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(SetupError::Url(issuer.to_owned(), "an issuer has neither query nor fragment"));
        }
        let internal = internal.map(parse).transpose()?;
        if let Some(internal) = &internal
            && internal.path() != "/"
        {
            return Err(SetupError::Url(internal.to_string(), "it must be an origin, without a path"));
        }
        let base = internal.as_ref().map_or_else(|| url.clone(), |internal| moved(&url, internal));
        let path = base.path().trim_end_matches('/');
        let at = |path: String| {
            let mut document = base.clone();
            document.set_path(&path);
            document
        };
        Ok(Self::Discovered(Box::new(Discovery {
            issuer: issuer.to_owned(),
            documents: [
                // RFC 8414 section 3.1 inserts before the issuer's path, OpenID Connect appends.
                at(format!("/.well-known/oauth-authorization-server{path}")),
                at(format!("{path}/.well-known/openid-configuration")),
            ],
            internal: internal.map(|internal| (url.origin(), internal)),
        })))
    }

    /// What will be asked first.
    pub(super) fn first_url(&self) -> &Url {
        match self {
            Self::Outright(url) => url,
            Self::Discovered(discovery) => &discovery.documents[0],
        }
    }

    /// The URL of the key set.
    pub(super) async fn find(&self, http: &Http) -> Result<Url, FetchError> {
        match self {
            Self::Outright(url) => Ok(url.clone()),
            Self::Discovered(discovery) => {
                let [first, second] = &discovery.documents;
                match discovery.read(http, first).await {
                    Err(FetchError::Status(_, StatusCode::NOT_FOUND)) => discovery.read(http, second).await,
                    found => found,
                }
            }
        }
    }
}

impl Discovery {
    async fn read(&self, http: &Http, document: &Url) -> Result<Url, FetchError> {
        let wrong = |why| FetchError::Metadata(document.clone(), why);
        let body = http.get(document, None).await?.body.unwrap_or_default();
        let metadata: Metadata =
            serde_json::from_slice(&body).map_err(|_| wrong("not the metadata of an issuer"))?;
        if metadata.issuer != self.issuer {
            return Err(wrong("the metadata is another issuer's"));
        }
        let jwks_uri = Url::parse(&metadata.jwks_uri).map_err(|_| wrong("jwks_uri is not a URL"))?;
        Ok(match &self.internal {
            Some((own, internal)) if jwks_uri.origin() == *own => moved(&jwks_uri, internal),
            _ => jwks_uri,
        })
    }
}

/// `url` at the scheme, host and port of `origin`.
fn moved(url: &Url, origin: &Url) -> Url {
    let mut moved = origin.clone();
    moved.set_path(url.path());
    moved.set_query(url.query());
    moved
}
