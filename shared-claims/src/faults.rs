//! What an operator or a programmer did wrong, and only the log can say: each is warned of once a minute at most, however many
//! tokens are refused for it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{clock::Instant, shown::Shown};

const PAUSE: Duration = Duration::from_secs(60);

/// Lets one line through, and then none for a minute.
#[derive(Debug, Default)]
pub(crate) struct Limit(Mutex<Option<Instant>>);

/// What has been warned of, and what the warnings depend on.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) audience: Limit,
    pub(crate) issuer: Limit,
    pub(crate) too_long: Limit,
    #[cfg(feature = "remote")]
    pub(crate) not_started: Limit,
    clock: Limit,
    /// A token was of the issuer that is trusted.
    issuer_matched: AtomicBool,
    /// A token was for an audience of this service.
    audience_matched: AtomicBool,
}

impl Limit {
    /// Whether a line may be written `now`. The lock is held for a comparison, and never while a token is accepted.
    pub(crate) fn allows(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if due {
            *last = Some(now);
        }
        due
    }
}

impl Faults {
    /// A token of this issuer was seen.
    pub(crate) fn issuer_matches(&self) {
        note(&self.issuer_matched);
    }

    /// A token for this service was seen, of this issuer.
    pub(crate) fn audience_matches(&self) {
        self.issuer_matches();
        note(&self.audience_matched);
    }

    pub(crate) fn issuer_never_matched(&self) -> bool {
        !self.issuer_matched.load(Relaxed)
    }

    pub(crate) fn audience_never_matched(&self) -> bool {
        !self.audience_matched.load(Relaxed)
    }

    /// The clocks are `skew` seconds apart; the issuer's is ahead when that is more than 0.
    pub(crate) fn warn_of_skew(&self, skew: i64, issuer: &str, now: Instant) {
        if self.clock.allows(now) {
            let (apart, way) = (skew.unsigned_abs(), if skew > 0 { "behind" } else { "ahead of" });
            log::warn!(
                "this machine's clock is {apart} s {way} that of {}: good tokens are refused when the difference exceeds the \
                 leeway. Set the clock that is wrong (NTP)",
                Shown(issuer)
            );
        }
    }
}

/// Written once: all threads read this word.
fn note(seen: &AtomicBool) {
    if !seen.load(Relaxed) {
        seen.store(true, Relaxed);
    }
}
