//! `GET /livez`: the process runs. `GET /readyz`: it has keys, so that it can verify tokens, and how old its knowledge is.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde::Serialize;
use service_kit::Problem;
use shared_claims::{
    Verifier,
    verifier::{Polling, Readiness, Revocations},
};

/// Seconds after which a client may ask again.
const KEYS_RETRY: u32 = 1;

/// Clocks that are nearer to each other agree: dates are whole seconds.
const NOTICED: u64 = 2;

#[derive(Serialize)]
struct Alive {
    status: &'static str,
}

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    keys_age_seconds: u64,
    /// How far auth-service's clock is ahead of this one, when they are two seconds apart or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_skew_seconds: Option<i64>,
    /// Not there with a shared secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_lists: Option<StatusLists>,
}

/// What is known of ended sessions.
#[derive(Serialize)]
struct StatusLists {
    known: usize,
    oldest_age_seconds: u64,
    /// Whether the issuer tells of changes at once.
    streaming: bool,
    /// How changes are seen otherwise: `revisions`, each second, or `lists`, each as often as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    polling: Option<&'static str>,
}

impl From<Revocations> for StatusLists {
    fn from(known: Revocations) -> Self {
        let polling = known.polling.map(|polling| match polling {
            Polling::Revisions => "revisions",
            _ => "lists",
        });
        let Revocations { lists, oldest_age_secs, streaming, .. } = known;
        Self { known: lists, oldest_age_seconds: oldest_age_secs, streaming, polling }
    }
}

pub(super) async fn livez() -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Alive { status: "alive" })
}

pub(super) async fn readyz(verifier: Data<Verifier>) -> Result<HttpResponse, Problem> {
    match verifier.readiness() {
        Readiness::Ready { keys_age_secs, revocations } => {
            Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Ready {
                status: "ready",
                keys_age_seconds: keys_age_secs,
                clock_skew_seconds: verifier.clock_skew().filter(|skew| skew.unsigned_abs() >= NOTICED),
                status_lists: revocations.map(StatusLists::from),
            }))
        }
        Readiness::NotReady { reason } => {
            log::debug!("not ready: {reason}");
            let detail = "There are no usable keys to verify tokens with; the log says why.";
            Err(Problem::unavailable("keys_unavailable", detail, KEYS_RETRY))
        }
    }
}
