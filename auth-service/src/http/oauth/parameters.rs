//! What the OAuth endpoints share: parameters in a form or in JSON, and failures as RFC 6749 section 5.2 has them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use futures_util::future::LocalBoxFuture;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use service_kit::body::{BodyLimits, read_body, require_media_type};
use service_kit::{FieldError, Fields, Problem};

use crate::http::oauth::client::CHALLENGE;

/// `{"error", "error_description"}`.
#[derive(Debug, thiserror::Error)]
#[error("{status} {code}: {description}")]
pub(in crate::http) struct OAuthError {
    status: StatusCode,
    code: &'static str,
    description: Cow<'static, str>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl OAuthError {
    /// `400` with a code that an RFC defines.
    pub(in crate::http) fn bad_request(
        code: &'static str,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, description: description.into(), headers: Vec::new() }
    }

    /// `403`: the request is not one that a browser's cookies may be used for.
    pub(in crate::http) fn forbidden(description: &'static str) -> Self {
        Self { status: StatusCode::FORBIDDEN, ..Self::bad_request("invalid_request", description) }
    }

    /// Whether it is `invalid_grant`: there is nothing to go on with.
    pub(in crate::http) fn ends_the_session(&self) -> bool {
        self.code == "invalid_grant"
    }

    /// A parameter is missing.
    pub(in crate::http) fn missing(name: &'static str) -> Self {
        Self::bad_request("invalid_request", format!("The parameter {name} is missing."))
    }

    /// The client did not prove itself. It is told how it could, whether it tried to or not (RFC 9110 section 15.5.2).
    pub(in crate::http) fn invalid_client() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            code: "invalid_client",
            description: Cow::Borrowed("The client is not known here, or its secret is another one."),
            headers: vec![(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE))],
        }
    }
}

/// A problem keeps its status and takes the OAuth shape.
impl From<Problem> for OAuthError {
    fn from(problem: Problem) -> Self {
        let code = match problem.status {
            StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request",
        };
        Self { status: problem.status, code, description: problem.detail, headers: problem.headers }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    error_description: &'a str,
}

impl ResponseError for OAuthError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CACHE_CONTROL, "no-store"));
        for (name, value) in &self.headers {
            response.insert_header((name, value));
        }
        response.json(Body { error: self.code, error_description: &self.description })
    }
}

/// The paths whose failures have the form of RFC 6749.
const PATHS: [&str; 3] = ["/token", "/revoke", "/introspect"];

/// How a request is answered that is refused before any handler.
pub(crate) fn refusal(path: &str, problem: Problem) -> HttpResponse {
    if !PATHS.contains(&path) {
        return problem.error_response();
    }
    // A challenge for a bearer is not for those who ask here.
    OAuthError::from(Problem { headers: Vec::new(), ..problem }).error_response()
}

/// The members that are read from JSON; in a form every parameter is a string, so there is nothing to choose.
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
    /// Whether they came as JSON, which first parties may use.
    pub(in crate::http) json: bool,
    /// What JSON says about cookies, which counts for logins alone.
    cookies: Option<Value>,
}

impl Parameters {
    /// Takes a parameter that says something secret.
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
