//! How often one address may ask for what costs us something: at each replica, in bounded memory.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use service_kit::Problem;

use crate::domain::sessions::Device;
use crate::domain::source::Source;
use crate::settings::{Limits, Rate};

/// The rates that are limited.
pub(crate) struct Rates {
    register: Limit,
    refresh: Limit,
}

/// A limit for each address. `None`: there is none.
///
/// Addresses share 65,536 places, by a hash that nobody can foresee: no number of addresses takes more memory, and two that
/// share one have room enough.
struct Limit(Option<(DefaultKeyedRateLimiter<u16>, RandomState)>);

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        let limit =
            |rate| Limit(limits.enabled.then(|| (RateLimiter::keyed(quota(rate)), RandomState::new())));
        Self { register: limit(limits.register), refresh: limit(limits.refresh) }
    }

    /// Whether this address may register one more account.
    pub(super) fn register(&self, device: &Device) -> Result<(), Problem> {
        self.register.check(device)
    }

    /// Whether it may refresh one more session.
    pub(super) fn refresh(&self, device: &Device) -> Result<(), Problem> {
        self.refresh.check(device)
    }
}

impl Limit {
    fn check(&self, device: &Device) -> Result<(), Problem> {
        let Some((limiter, places)) = &self.0 else { return Ok(()) };
        let [low, high, ..] = places.hash_one(Source::of(device.ip.as_deref())).to_le_bytes();
        limiter.check_key(&u16::from_le_bytes([low, high])).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
            let detail = "Too many requests from this address.";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail)
                .with_header(RETRY_AFTER, HeaderValue::from(wait))
        })
    }
}

fn quota(rate: Rate) -> Quota {
    let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Quota::per_minute(at_least_one(rate.per_minute)).allow_burst(at_least_one(rate.at_once))
}
