//! Errors of the OAuth endpoints, in the form of RFC 6749 section 5.2.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use service_kit::Problem;

/// The challenge to a client that did not authenticate (RFC 7617).
pub(in crate::http) const CHALLENGE: &str = r#"Basic realm="auth-service""#;

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

    /// `403`: this request must not use cookies.
    pub(in crate::http) fn forbidden(description: &'static str) -> Self {
        Self { status: StatusCode::FORBIDDEN, ..Self::bad_request("invalid_request", description) }
    }

    /// Whether it is `invalid_grant`, after which the client has to log in again.
    pub(in crate::http) fn ends_the_session(&self) -> bool {
        self.code == "invalid_grant"
    }

    /// A parameter is missing.
    pub(in crate::http) fn missing(name: &'static str) -> Self {
        Self::bad_request("invalid_request", format!("The parameter {name} is missing."))
    }

    /// `401` with a challenge (RFC 9110 section 15.5.2): the client did not authenticate, or its credentials are wrong.
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

/// The paths whose errors have the form of RFC 6749.
const PATHS: [&str; 3] = ["/token", "/revoke", "/introspect"];

/// Returns the response to a request that is refused before it reaches a handler.
pub(crate) fn refusal(path: &str, problem: Problem) -> HttpResponse {
    if !PATHS.contains(&path) {
        return problem.error_response();
    }
    // A challenge for a bearer token is not for these endpoints.
    OAuthError::from(Problem { headers: Vec::new(), ..problem }).error_response()
}
