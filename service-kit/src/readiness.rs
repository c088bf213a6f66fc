//! The answer of `/readyz` while a service is not ready: a problem document (RFC 9457) that names every reason.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use serde::Serialize;

/// Why a service is not ready.
#[derive(Debug, Clone, Serialize)]
pub struct Reason {
    /// Stable and machine-readable.
    pub name: &'static str,
    /// A sentence for an operator. Any client may read it.
    pub detail: String,
}

#[derive(Serialize)]
struct NotReady<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    reasons: &'a [Reason],
}

/// Returns `503` with these reasons, the most severe first: its name is the `code` of the document. `retry_after` is in seconds.
#[must_use]
pub fn not_ready(reasons: &[Reason], retry_after: u32) -> HttpResponse {
    let (code, detail) = reasons.first().map_or(("not_ready", ""), |first| (first.name, &first.detail));
    let status = StatusCode::SERVICE_UNAVAILABLE;
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((RETRY_AFTER, retry_after))
        .insert_header((CONTENT_TYPE, "application/problem+json"))
        .json(NotReady {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail,
            code,
            reasons,
        })
}
