//! The parameters of the OAuth endpoints, in a form or in JSON.

use std::collections::BTreeMap;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::future::LocalBoxFuture;
use secrecy::SecretString;
use serde_json::Value;
use service_kit::body::{BodyLimits, read_body, require_media_type};
use service_kit::{FieldError, Fields, Problem};

use crate::http::oauth::error::OAuthError;

/// The members that are read from JSON. In a form every parameter is a string, so all are read.
const KNOWN: [&str; 10] = [
    "grant_type",
    "refresh_token",
    "scope",
    "username",
    "email",
    "password",
    "client_id",
    "client_secret",
    "token",
    "token_type_hint",
];

/// The parameters of a request to an OAuth endpoint. Unknown ones are ignored, repeated ones refused, and those
/// without a value count as absent (RFC 6749 section 3.2).
#[derive(Debug)]
pub(in crate::http) struct Parameters {
    single: BTreeMap<String, SecretString>,
    /// May be repeated (RFC 8707 section 2).
    pub(in crate::http) resource: Vec<String>,
    /// Whether the body is JSON, which first parties may use.
    pub(in crate::http) json: bool,
    /// The member `cookies` of JSON, which only logins have.
    cookies: Option<Value>,
}

impl Parameters {
    /// Takes a secret parameter.
    pub(in crate::http) fn secret(&mut self, name: &str) -> Option<SecretString> {
        self.single.remove(name)
    }

    /// Whether a login is to be answered with cookies.
    pub(in crate::http) fn cookies(&self) -> Result<bool, OAuthError> {
        match &self.cookies {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(cookies)) => Ok(*cookies),
            Some(_) => {
                let description = "The parameter 'cookies' must be true or false.";
                Err(OAuthError::bad_request("invalid_request", description))
            }
        }
    }

    /// Takes a parameter.
    pub(in crate::http) fn text(&mut self, name: &str) -> Option<String> {
        use secrecy::ExposeSecret as _;
        self.single.remove(name).map(|value| value.expose_secret().to_owned())
    }

    fn from_form(body: &[u8]) -> Result<Self, OAuthError> {
        let malformed = |_| OAuthError::bad_request("invalid_request", "The body is not a form.");
        let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(body).map_err(malformed)?;
        let mut parameters =
            Self { single: BTreeMap::new(), resource: Vec::new(), json: false, cookies: None };
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            if name == "resource" {
                parameters.resource.push(value);
            } else if parameters.single.insert(name, value.into()).is_some() {
                return Err(OAuthError::bad_request("invalid_request", "A parameter is repeated."));
            }
        }
        Ok(parameters)
    }

    fn from_json(body: &[u8]) -> Result<Self, OAuthError> {
        let mut fields = Fields::parse(body)?;
        let (resource, cookies) = (fields.strings("resource"), fields.any("cookies"));
        let mut known = |name: &&'static str| Some(((*name).to_owned(), fields.optional_string(name)?));
        let single = KNOWN.iter().filter_map(&mut known).filter(|(_, value)| !value.is_empty());
        let single = single.map(|(name, value)| (name, value.into())).collect();
        match fields.mistakes() {
            [] => Ok(Self { single, resource, json: true, cookies }),
            [FieldError { field, .. }, ..] => {
                let description = format!("The parameter {field:?} must be a string.");
                Err(OAuthError::bad_request("invalid_request", description.replace(['"', '\\'], "'")))
            }
        }
    }
}

/// The form is what RFC 6749 defines; JSON is an addition.
fn naming_the_form(problem: Problem) -> Problem {
    let detail =
        "The body must be application/x-www-form-urlencoded, or application/json in UTF-8; not compressed.";
    Problem { detail: detail.into(), ..problem }
}

impl FromRequest for Parameters {
    type Error = OAuthError;
    type Future = LocalBoxFuture<'static, Result<Self, OAuthError>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = req
            .mime_type()
            .ok()
            .flatten()
            .is_some_and(|mime| mime.essence_str() == "application/x-www-form-urlencoded");
        let media_type =
            if form { Ok(()) } else { require_media_type(req, "application/json").map_err(naming_the_form) };
        let query = !req.query_string().is_empty();
        let body = read_body(req, payload, BodyLimits::of(req));
        Box::pin(async move {
            media_type?;
            if query {
                return Err(OAuthError::bad_request("invalid_request", "Parameters belong in the body."));
            }
            let body = body.await?;
            if form { Self::from_form(&body) } else { Self::from_json(&body) }
        })
    }
}
