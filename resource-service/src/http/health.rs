//! `GET /livez`: the process runs. `GET /readyz`: it has keys, so that it can verify tokens.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde::Serialize;
use service_kit::Problem;
use shared_claims::{Readiness, Verifier};

/// Seconds after which a client may ask again.
const KEYS_RETRY: u32 = 1;

#[derive(Serialize)]
struct Alive {
    status: &'static str,
}

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    keys_age_seconds: u64,
}

pub(super) async fn livez() -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Alive { status: "alive" })
}

pub(super) async fn readyz(verifier: Data<Verifier>) -> Result<HttpResponse, Problem> {
    match verifier.readiness() {
        Readiness::Ready { keys_age_secs, .. } => Ok(HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(Ready { status: "ready", keys_age_seconds: keys_age_secs })),
        Readiness::NotReady { reason } => {
            log::debug!("not ready: {reason}");
            let detail = "There are no usable keys to verify tokens with; the log says why.";
            Err(Problem::unavailable("keys_unavailable", detail, KEYS_RETRY))
        }
    }
}
