//! How often something may happen for each of any number of keys, in bounded memory and at this replica alone.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// So many at once, and so many in the long run.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// The burst.
    pub at_once: u32,
    /// Each minute from then on.
    pub per_minute: u32,
}

impl Rate {
    /// Both numbers, so many times as large.
    pub(super) fn times(self, factor: u32) -> Self {
        Self {
            at_once: self.at_once.saturating_mul(factor),
            per_minute: self.per_minute.saturating_mul(factor),
        }
    }
}

/// A limit for each key (GCRA).
///
/// Keys share places, by a hash that cannot be foreseen: no number of keys takes more memory. Each key is counted in two places,
/// one in each half of them, and is refused only when both are used up. A key that used up its own places takes all of another
/// key's rate only if it shares both with it. With `n` keys that used theirs up, another key is refused with a probability of
/// about `(2n / places)²`.
#[derive(Debug)]
pub struct RateLimit {
    limiter: DefaultKeyedRateLimiter<u32>,
    places: u32,
    hash: RandomState,
}

/// Some 2 MiB at the most.
const PLACES: u32 = 1 << 16;
/// Some 8 MiB at the most. A replica that refreshes 5,000 sessions a second has about one use of each place a minute.
pub const MANY_PLACES: u32 = 1 << 18;

impl RateLimit {
    /// A limit that nothing was counted against yet.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self::with_places(rate, PLACES)
    }

    /// The same with another number of places.
    #[must_use]
    pub fn with_places(rate: Rate, places: u32) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_minute(at_least_one(rate.per_minute)).allow_burst(at_least_one(rate.at_once));
        Self { limiter: RateLimiter::keyed(quota), places, hash: RandomState::new() }
    }

    /// Counts one more for this key.
    ///
    /// # Errors
    /// How long to wait for it, in seconds.
    pub fn check(&self, key: impl Hash) -> Result<(), TooMany> {
        let half = (self.places / 2).max(1);
        let place = |which: u8| {
            let [a, b, c, d, ..] = self.hash.hash_one((which, &key)).to_le_bytes();
            u32::from_le_bytes([a, b, c, d]) % half
        };
        let (first, second) = (place(0), half + place(1));
        // Both are counted, whatever the first one says: a key alone in its places has the rate once, not twice.
        match (self.limiter.check_key(&first), self.limiter.check_key(&second)) {
            (Err(one), Err(other)) => {
                let now = DefaultClock::default().now();
                let wait = one.wait_time_from(now).min(other.wait_time_from(now));
                Err(TooMany { retry_after: (wait + Duration::from_secs(1)).as_secs() })
            }
            _ => Ok(()),
        }
    }
}

/// Too many within a short time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many: the next one in {retry_after} seconds")]
pub struct TooMany {
    /// Whole seconds, at least one.
    pub retry_after: u64,
}

/// How often what is genuine may be asked for again.
#[derive(Debug, Default)]
pub struct GrantLimits {
    /// Refreshes of one session; `None` where limits are switched off.
    pub session_refresh: Option<RateLimit>,
    /// Refreshes of all sessions of one account; `None` where limits are switched off.
    pub account_refresh: Option<Arc<RateLimit>>,
    /// Tokens of one client's own; `None` where limits are switched off.
    pub client_grant: Option<RateLimit>,
}

impl GrantLimits {
    pub(super) fn refresh(&self, session: &str) -> Result<(), TooMany> {
        self.session_refresh.as_ref().map_or(Ok(()), |limit| limit.check(session))
    }

    pub(super) fn grant(&self, client: &str) -> Result<(), TooMany> {
        self.client_grant.as_ref().map_or(Ok(()), |limit| limit.check(client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_burst_and_is_told_how_long_to_wait_after_it() {
        let limit = RateLimit::new(Rate { at_once: 3, per_minute: 1 });
        let allowed = (0..10).filter(|_| limit.check("one").is_ok()).count();
        assert_eq!(allowed, 3);
        let wait = limit.check("one").unwrap_err().retry_after;
        assert!((1..=61).contains(&wait), "{wait}");
        // That another one shares both places is a chance of 1 in a billion.
        assert!(limit.check("two").is_ok());
    }

    #[test]
    fn keys_that_used_up_their_rate_take_it_from_next_to_no_other_key() {
        let limit = RateLimit::new(Rate { at_once: 100, per_minute: 1 });
        for greedy in 0..300 {
            while limit.check(("greedy", greedy)).is_ok() {}
        }
        // With one place for each key it would be some 90 of them; so it is 2.
        let refused = (0..20_000).filter(|other| limit.check(("other", *other)).is_err()).count();
        assert!(refused < 20, "{refused} of 20000");
    }

    #[test]
    fn any_number_of_keys_takes_no_more_places_than_there_are() {
        let limit = RateLimit::new(Rate { at_once: 1, per_minute: 1 });
        for key in 0..1_000_000_u32 {
            let _ = limit.check(key);
        }
        assert!(limit.limiter.len() <= PLACES as usize);
    }
}
