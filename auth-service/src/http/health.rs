//! `GET /livez`: the process runs. `GET /readyz`: it can do its work.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde::Serialize;
use service_kit::Problem;

use super::error::IntoProblem;
use crate::domain::Issuer;

pub(super) async fn livez() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(serde_json::json!({ "status": "alive" }))
}

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    /// How far this machine's clock is ahead of the database's, if that is worth a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_skew_seconds: Option<i64>,
    /// Whether the clock disagreed with the time that passed within the last hour.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    clock_in_doubt: bool,
}

pub(super) async fn readyz(issuer: Data<Issuer>) -> Result<HttpResponse, Problem> {
    issuer.store.ping().await.map_err(IntoProblem::into_problem)?;
    let skew = issuer.clock.skew();
    let ready = Ready {
        status: "ready",
        clock_skew_seconds: (skew != 0).then_some(skew),
        clock_in_doubt: issuer.clock.in_doubt(),
    };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(ready))
}
