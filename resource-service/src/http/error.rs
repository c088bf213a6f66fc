//! Maps failures of the service to answers. Details go to the log, never to the client. (The answers to refused tokens come from
//! `shared_claims::error::AuthError`.)

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use service_kit::{Problem, causes};

use crate::store::StoreError;

/// Seconds after which a client may retry when the database is away.
const STORE_RETRY: u32 = 1;

impl ResponseError for StoreError {
    fn status_code(&self) -> StatusCode {
        StatusCode::SERVICE_UNAVAILABLE
    }

    fn error_response(&self) -> HttpResponse {
        log::error!("the database is away: {}", causes(self));
        Problem::unavailable("store_unavailable", "The database is away.", STORE_RETRY).error_response()
    }
}
