//! `GET /livez`: the process runs. `GET /readyz`: it can do its work.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use actix_web::web::Data;
use serde::Serialize;

use crate::domain::Issuer;
use crate::domain::readiness::{Reason, Serves};

/// Seconds after which a probe may ask again.
const RETRY: u32 = 10;

pub(super) async fn livez() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(serde_json::json!({ "status": "alive" }))
}

/// Something that is wrong, by name.
#[derive(Serialize)]
struct Named {
    name: &'static str,
    detail: String,
}

/// A problem document (RFC 9457) with all reasons; its `code` is the name of the gravest.
#[derive(Serialize)]
struct NotReady {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    reasons: Vec<Named>,
}

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    /// How far this machine's clock is ahead of the database's, if that is worth a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_skew_seconds: Option<i64>,
    /// What an operator should know although everything is served.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Named>,
}

pub(super) async fn readyz(issuer: Data<Issuer>) -> HttpResponse {
    let reasons = issuer.readiness().await;
    if let Some(first) = reasons.first().filter(|first| first.serves != Serves::Everything) {
        return not_ready(first.name, first.detail.clone(), named(reasons));
    }
    let skew = issuer.clock.skew();
    let ready =
        Ready { status: "ready", clock_skew_seconds: (skew != 0).then_some(skew), notes: named(reasons) };
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(ready)
}

fn named(reasons: Vec<Reason>) -> Vec<Named> {
    reasons.into_iter().map(|reason| Named { name: reason.name, detail: reason.detail }).collect()
}

fn not_ready(code: &'static str, detail: String, reasons: Vec<Named>) -> HttpResponse {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let title = status.canonical_reason().unwrap_or_default();
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((RETRY_AFTER, RETRY))
        .insert_header((CONTENT_TYPE, "application/problem+json"))
        .json(NotReady { r#type: "about:blank", title, status: status.as_u16(), detail, code, reasons })
}
