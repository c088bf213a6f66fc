//! `GET /livez`: the process runs. `GET /readyz`: it is able to serve.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde::Serialize;
use service_kit::readiness::{Reason, not_ready};

use crate::domain::clock::DatabaseClock;
use crate::domain::readiness::Readiness;
use crate::domain::readiness::Serves;

/// Seconds after which a probe may ask again.
const RETRY: u32 = 10;

pub(super) async fn livez() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(serde_json::json!({ "status": "alive" }))
}

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    /// How far this machine's clock is ahead of the database's; left out when it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_skew_seconds: Option<i64>,
    /// Warnings for an operator, although everything is served.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Reason>,
}

pub(super) async fn readyz(readiness: Data<Readiness>, clock: Data<DatabaseClock>) -> HttpResponse {
    let reasons = readiness.check().await;
    let is_ready = reasons.iter().all(|reason| reason.serves == Serves::Everything);
    let named = reasons.into_iter().map(|reason| Reason { name: reason.name, detail: reason.detail });
    let notes: Vec<Reason> = named.collect();
    if !is_ready {
        return not_ready(&notes, RETRY);
    }
    let skew = clock.skew();
    let ready = Ready { status: "ready", clock_skew_seconds: (skew != 0).then_some(skew), notes };
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(ready)
}
