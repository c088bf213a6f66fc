//! Warnings about mistakes of operators and programmers. Each is logged once a minute at most, however many tokens are
//! refused because of it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{clock::Instant, shown::Shown};

const INTERVAL: Duration = Duration::from_secs(60);

/// Allows one line a minute.
#[derive(Debug, Default)]
pub(crate) struct OncePerMinute(Mutex<Option<Instant>>);

/// When each mistake was last warned of, and what the warnings depend on.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) audience: OncePerMinute,
    pub(crate) issuer: OncePerMinute,
    pub(crate) too_long: OncePerMinute,
    #[cfg(feature = "remote")]
    pub(crate) not_started: OncePerMinute,
    clock: OncePerMinute,
    /// A token was of the trusted issuer.
    issuer_matched: AtomicBool,
    /// A token was for an audience of this service.
    audience_matched: AtomicBool,
}

impl OncePerMinute {
    /// Returns whether a line may be written `now`. Never called on the path of an accepted token.
    pub(crate) fn allows(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| now.saturating_duration_since(last) >= INTERVAL);
        if due {
            *last = Some(now);
        }
        due
    }
}

impl Faults {
    /// Notes that a token of this issuer was seen.
    pub(crate) fn note_issuer_matched(&self) {
        note(&self.issuer_matched);
    }

    /// Notes that a token of this issuer for this service was seen.
    pub(crate) fn note_audience_matched(&self) {
        self.note_issuer_matched();
        note(&self.audience_matched);
    }

    pub(crate) fn issuer_never_matched(&self) -> bool {
        !self.issuer_matched.load(Relaxed)
    }

    pub(crate) fn audience_never_matched(&self) -> bool {
        !self.audience_matched.load(Relaxed)
    }

    /// Warns that the clocks are `skew` seconds apart; positive if the issuer's is ahead.
    pub(crate) fn warn_of_skew(&self, skew: i64, issuer: &str, now: Instant) {
        if self.clock.allows(now) {
            let (apart, way) = (skew.unsigned_abs(), if skew > 0 { "behind" } else { "ahead of" });
            log::warn!(
                "this machine's clock is {apart} s {way} that of {}: valid tokens are refused if the difference exceeds the \
                 leeway. Correct the clock that is wrong (NTP)",
                Shown(issuer)
            );
        }
    }
}

/// Writes only once, because all threads read this word.
fn note(seen: &AtomicBool) {
    if !seen.load(Relaxed) {
        seen.store(true, Relaxed);
    }
}
