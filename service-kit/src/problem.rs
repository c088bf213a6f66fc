//! Problem documents (RFC 9457): the form of every failure outside the OAuth endpoints.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

/// A failure, as the client sees it.
#[derive(Debug, thiserror::Error)]
#[error("{status} {code}: {detail}")]
pub struct Problem {
    /// The HTTP status, repeated in the document.
    pub status: StatusCode,
    /// Stable and machine-readable.
    pub code: &'static str,
    /// A sentence for people, without secrets and internals.
    pub detail: Cow<'static, str>,
    /// The invalid fields; only for `422`.
    pub errors: Vec<FieldError>,
    /// Headers that the status requires: `Retry-After`, `Allow`, `WWW-Authenticate`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// An invalid field of a request body, or parameter of a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Its name.
    pub field: String,
    /// Stable and machine-readable: `required`, `wrong_type`, `unknown_field`, or the name of the field's own rule.
    pub code: &'static str,
    /// A sentence for people.
    pub message: Cow<'static, str>,
}

impl FieldError {
    /// Returns a field error.
    pub fn new(field: impl Into<String>, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }
}

impl Problem {
    /// Returns a problem without field errors.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    /// Returns `400`: the body does not have the form of its media type.
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_body", detail)
    }

    /// Returns `400`: the query is not one that the route takes.
    pub fn malformed_query(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_query", detail)
    }

    /// Returns `422`: the body is well-formed, but these fields are invalid.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = "Some fields are not valid.";
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", detail) }
    }

    /// Returns `404`: there is no such path, or nothing at it.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// Returns `500`: an error of the service, which is in the log.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong on our side.")
    }

    /// Returns `503` with `Retry-After` in seconds (RFC 9110 section 10.2.3).
    pub fn unavailable(code: &'static str, detail: impl Into<Cow<'static, str>>, retry_after: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).with_header(RETRY_AFTER, retry_after.into())
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for (name, value) in &self.headers {
            response.insert_header((name, value));
        }
        response.insert_header((CONTENT_TYPE, "application/problem+json")).json(Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            errors: &self.errors,
        })
    }
}
