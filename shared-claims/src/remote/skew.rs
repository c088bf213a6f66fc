//! How far the issuer's clock and this one are apart, by the `Date` of its answers and by the `iat` of its status lists.
//!
//! No token is judged by it: it is for operators.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use super::state::State;
use crate::verifier::Clock;

/// Nothing has said so.
const UNKNOWN: i64 = i64::MIN;

/// What the issuer's clock was seen to say.
pub(super) struct Skew {
    /// By the latest answer with a `Date`: seconds that the issuer is ahead.
    by_date: AtomicI64,
    /// When the list that was read last was signed, in seconds since 1970; 0 when there is none.
    issued: AtomicU64,
}

impl Default for Skew {
    fn default() -> Self {
        Self { by_date: AtomicI64::new(UNKNOWN), issued: AtomicU64::new(0) }
    }
}

impl State {
    /// An answer came when the issuer's clock said `date`.
    pub(super) fn saw_date(&self, date: Option<u64>, clock: &Clock) {
        let Some(date) = date else { return };
        self.skew.by_date.store(difference(date, clock.now()), Relaxed);
        self.warn_of_skew(clock);
    }

    /// A list was signed when the issuer's clock said `iat`.
    pub(super) fn saw_iat(&self, iat: Option<u64>, clock: &Clock) {
        let Some(iat) = iat else { return };
        self.skew.issued.store(iat, Relaxed);
        self.warn_of_skew(clock);
    }

    /// Seconds that the issuer's clock is ahead; less than 0 when it is behind. A list that was signed in the future tells how
    /// far it is ahead at least; one that was signed in the past tells nothing.
    pub(super) fn clock_skew(&self, clock: &Clock) -> Option<i64> {
        let by_date = Some(self.skew.by_date.load(Relaxed)).filter(|skew| *skew != UNKNOWN);
        let by_list = difference(self.skew.issued.load(Relaxed), clock.now());
        by_date.into_iter().chain((by_list > 0).then_some(by_list)).max_by_key(|skew| skew.unsigned_abs())
    }

    fn warn_of_skew(&self, clock: &Clock) {
        let tolerated = (self.policy.leeway_secs() / 2).max(1);
        if let Some(skew) = self.clock_skew(clock).filter(|skew| skew.unsigned_abs() > tolerated) {
            self.faults.warn_of_skew(skew, self.policy.issuer(), clock.instant());
        }
    }
}

fn difference(theirs: u64, ours: u64) -> i64 {
    let apart = i64::try_from(theirs.abs_diff(ours)).unwrap_or(i64::MAX);
    if theirs < ours { -apart } else { apart }
}
