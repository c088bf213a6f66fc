//! `GET /livez`: the process runs. `GET /readyz`: it can do its work.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use service_kit::Problem;

use super::error::IntoProblem;
use crate::domain::Issuer;

pub(super) async fn livez() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(serde_json::json!({ "status": "alive" }))
}

pub(super) async fn readyz(issuer: Data<Issuer>) -> Result<HttpResponse, Problem> {
    issuer.store.ping().await.map_err(IntoProblem::into_problem)?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(serde_json::json!({ "status": "ready" })))
}
