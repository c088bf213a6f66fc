//! Rate limits of one address, for requests that cost something: at each replica, in bounded memory.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use service_kit::Problem;

use crate::domain::authn::source::Source;
use crate::domain::rate::{RateLimit, TooMany};
use crate::domain::sessions::device::Device;

/// The limits; `None` for none.
pub(crate) struct RateLimits {
    /// Registrations from one address.
    pub(crate) register: Option<RateLimit>,
    /// Refreshes of any sessions from one address.
    pub(crate) refresh: Option<RateLimit>,
}

impl RateLimits {
    /// Checks that the address may register one more account.
    pub(in crate::http) fn register(&self, device: &Device) -> Result<(), Problem> {
        check(self.register.as_ref(), device)
    }

    /// Checks that the address may refresh one more session.
    pub(in crate::http) fn refresh(&self, device: &Device) -> Result<(), Problem> {
        check(self.refresh.as_ref(), device)
    }
}

fn check(limit: Option<&RateLimit>, device: &Device) -> Result<(), Problem> {
    let checked = limit.map_or(Ok(()), |limit| limit.check(Source::of(device.ip.as_deref())));
    checked.map_err(|too_many| too_many_requests(too_many, "Too many requests from this address."))
}

/// Returns `429` with `Retry-After` (RFC 6585 section 4).
pub(in crate::http) fn too_many_requests(too_many: TooMany, detail: &'static str) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail)
        .with_header(RETRY_AFTER, HeaderValue::from(too_many.retry_after))
}
