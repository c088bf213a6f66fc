//! Measures how far the issuer's clock is ahead, by the `Date` of its responses and the `iat` of its status lists.
//!
//! This is for operators and does not influence verification.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// No answer has had a `Date` yet.
const UNKNOWN: i64 = i64::MIN;

/// What the issuer's clock was seen to say.
pub(super) struct ClockSkew {
    /// By the latest answer with a `Date`: the seconds that the issuer is ahead.
    by_date: AtomicI64,
    /// When the list that was read last was signed, in seconds since 1970; 0 when there is none.
    issued: AtomicU64,
}

impl Default for ClockSkew {
    fn default() -> Self {
        Self { by_date: AtomicI64::new(UNKNOWN), issued: AtomicU64::new(0) }
    }
}

impl ClockSkew {
    /// Notes the `Date` of an answer that came `now`; both are in seconds since 1970.
    pub(super) fn note_date(&self, date: u64, now: u64) {
        self.by_date.store(difference(date, now), Relaxed);
    }

    /// Notes when a list was signed, in seconds since 1970.
    pub(super) fn note_iat(&self, iat: u64) {
        self.issued.store(iat, Relaxed);
    }

    /// Returns how many seconds the issuer's clock is ahead; less than 0 when it is behind. A list that was signed in the
    /// future shows how far it is ahead at least; one that was signed in the past shows nothing.
    pub(super) fn secs(&self, now: u64) -> Option<i64> {
        let by_date = Some(self.by_date.load(Relaxed)).filter(|skew| *skew != UNKNOWN);
        let by_list = difference(self.issued.load(Relaxed), now);
        by_date.into_iter().chain((by_list > 0).then_some(by_list)).max_by_key(|skew| skew.unsigned_abs())
    }
}

fn difference(theirs: u64, ours: u64) -> i64 {
    let apart = i64::try_from(theirs.abs_diff(ours)).unwrap_or(i64::MAX);
    if theirs < ours { -apart } else { apart }
}
