//! `GET /livez`: the process runs. `GET /readyz`: the service has keys to verify tokens with, and its database works.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde::Serialize;
use service_kit::readiness::{Reason, not_ready};
use shared_claims::{
    Verifier,
    verifier::{Polling, Readiness, Revocations},
};

use crate::store::{Health, Probe};

/// Seconds after which a client may retry.
const RETRY: u32 = 1;
/// How long the check of the database may take, so that an answer takes less than a second.
const PATIENCE: Duration = Duration::from_millis(900);

/// The setting `storage.min_free`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MinFree(pub(crate) u64);

/// The least difference of clocks that is reported: dates are whole seconds.
const NOTICED: u64 = 2;

#[derive(Serialize)]
struct Alive {
    status: &'static str,
}

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    keys_age_seconds: u64,
    /// How far this machine's clock is ahead of auth-service's, when they are two seconds apart or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_skew_seconds: Option<i64>,
    /// `None` with a shared secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_lists: Option<StatusLists>,
}

/// The state of the status lists.
#[derive(Serialize)]
struct StatusLists {
    known: usize,
    oldest_age_seconds: u64,
    /// Whether the issuer sends changes immediately.
    streaming: bool,
    /// How changes are polled otherwise: `revisions`, every second, or `lists`, each at its own interval.
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

pub(super) async fn readyz(
    verifier: Data<Verifier>,
    probe: Data<Probe>,
    min_free: Data<MinFree>,
) -> HttpResponse {
    let mut reasons = Vec::new();
    let known = match verifier.readiness() {
        Readiness::Ready { keys_age_secs, revocations } => Some((keys_age_secs, revocations)),
        Readiness::NotReady { reason } => {
            log::debug!("not ready: {reason}");
            let detail = "There are no usable keys to verify tokens with; the log says why.";
            reasons.push(Reason { name: "keys_unavailable", detail: detail.to_owned() });
            None
        }
    };
    reasons.extend(store_reasons(probe.health(PATIENCE).await, min_free.0));
    match known {
        Some((keys_age_seconds, revocations)) if reasons.is_empty() => {
            HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Ready {
                status: "ready",
                keys_age_seconds,
                clock_skew_seconds: verifier
                    .clock_skew()
                    .filter(|skew| skew.unsigned_abs() >= NOTICED)
                    .map(|ahead| -ahead),
                status_lists: revocations.map(StatusLists::from),
            })
        }
        _ => not_ready(&reasons, RETRY),
    }
}

/// Returns what is wrong with the database. Any client may read the details; the database's own messages are in the log.
fn store_reasons(health: Health, min_free: u64) -> Vec<Reason> {
    let mut found = Vec::new();
    if health.unreadable {
        let detail = "The database does not answer, or not in time; the log says why.";
        found.push(Reason { name: "store_unavailable", detail: detail.to_owned() });
    }
    if health.unwritable {
        let detail = "The database takes no writes; the log says why.";
        found.push(Reason { name: "writes_failing", detail: detail.to_owned() });
    }
    if let Some(free) = health.free_bytes.filter(|free| *free < min_free) {
        let detail =
            format!("The disk of the database has {free} bytes left, and storage.min_free is {min_free}.");
        found.push(Reason { name: "disk_full", detail });
    }
    found
}
