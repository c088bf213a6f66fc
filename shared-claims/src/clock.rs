//! Where time comes from: the wall clock, or one that a test sets.
//!
//! Tokens are judged by the wall clock, because that is what `exp` and `nbf` mean. Cool-downs and the age of
//! keys are not: they use a monotonic instant, so that a corrected clock neither freezes nor opens them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The monotonic clock; tokio's when there is a runtime, so that tests can pause it.
#[cfg(not(feature = "remote"))]
pub(crate) use std::time::Instant;
#[cfg(feature = "remote")]
pub(crate) use tokio::time::Instant;

/// How long ago something was seen to be current, by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Freshness {
    at: Instant,
    /// How old it was by then.
    before: Duration,
}

impl Freshness {
    /// Seen `now`.
    pub(crate) fn at(now: Instant) -> Self {
        Self { at: now, before: Duration::ZERO }
    }

    /// Seen so long before `now`, maybe by another process.
    #[cfg(feature = "remote")]
    pub(crate) fn aged(age: Duration, now: Instant) -> Self {
        Self { at: now, before: age }
    }

    pub(crate) fn age_at(&self, now: Instant) -> Duration {
        self.before.saturating_add(now.saturating_duration_since(self.at))
    }
}

/// A source of the current time, in whole seconds since 1970 (the `NumericDate` of RFC 7519).
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<Hands>),
    /// Another clock, and the seconds to add to it.
    Adjusted(Arc<Clock>, Arc<AtomicI64>),
}

/// What a test sets. Each change is one store, so that a reader sees both clocks before it or after it.
#[derive(Debug)]
struct Hands {
    /// What the wall clock read when no time had passed, in seconds since 1970; wraps around.
    origin: AtomicU64,
    /// How much time has passed besides what passes by itself, in seconds.
    passed: AtomicU64,
}

impl Hands {
    fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    fn wall(&self) -> u64 {
        self.origin.load(Ordering::Relaxed).wrapping_add(self.passed())
    }
}

impl Clock {
    /// The machine's wall clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// Seconds since 1970. A machine set to a time before 1970 reads 0, at which no token is valid yet.
    #[must_use]
    pub fn now(&self) -> u64 {
        match &self.0 {
            Source::System => system_now(),
            Source::Manual(hands) => hands.wall(),
            Source::Adjusted(clock, ahead) => {
                clock.now().saturating_add_signed(ahead.load(Ordering::Relaxed))
            }
        }
    }

    /// By the monotonic clock. Where a test moves time, what that moves comes on top.
    pub(crate) fn instant(&self) -> Instant {
        match &self.0 {
            Source::System => Instant::now(),
            Source::Manual(hands) => Instant::now() + Duration::from_secs(hands.passed()),
            Source::Adjusted(clock, _) => clock.instant(),
        }
    }

    /// This clock, put right by as many seconds as `ahead` holds at the time: for a machine that follows the clock of
    /// another one.
    #[must_use]
    pub fn adjusted_by(&self, ahead: Arc<AtomicI64>) -> Self {
        Self(Source::Adjusted(Arc::new(self.clone()), ahead))
    }

    /// Whether a test sets it.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        self.manual_elapsed().is_some()
    }

    /// Returns how much time a test has let pass by [`ManualClock::advance`], or `None` for a clock that goes by itself.
    ///
    /// [`ManualClock::set`] does not change it: the two differ as a wall clock that is set differs from `CLOCK_BOOTTIME`.
    #[must_use]
    pub fn manual_elapsed(&self) -> Option<Duration> {
        match &self.0 {
            Source::System => None,
            Source::Manual(hands) => Some(Duration::from_secs(hands.passed())),
            Source::Adjusted(clock, _) => clock.manual_elapsed(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn system_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A clock that stands still until it is told otherwise. For tests.
///
/// ```
/// # use {shared_claims::verifier::ManualClock, std::time::Duration};
/// let time = ManualClock::at(1_800_000_000);
/// let clock = time.clock(); // hand this one to what is tested
/// time.advance(Duration::from_secs(301));
/// assert_eq!(clock.now(), 1_800_000_301);
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Hands>);

impl ManualClock {
    /// A clock that reads `seconds` since 1970.
    #[must_use]
    pub fn at(seconds: u64) -> Self {
        Self(Arc::new(Hands { origin: AtomicU64::new(seconds), passed: AtomicU64::new(0) }))
    }

    /// The [`Clock`] that this one drives.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock(Source::Manual(Arc::clone(&self.0)))
    }

    /// Lets time pass: the clock moves forward by `by`, and what is known grows older by as much. Parts of a second are
    /// dropped.
    pub fn advance(&self, by: Duration) {
        self.0.passed.fetch_add(by.as_secs(), Ordering::Relaxed);
    }

    /// Sets the clock to `seconds` since 1970, also backwards, as somebody does who puts it right: nothing grows older
    /// by that.
    pub fn set(&self, seconds: u64) {
        self.0.origin.store(seconds.wrapping_sub(self.0.passed()), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_lets_no_time_pass_and_one_that_is_advanced_does() {
        let time = ManualClock::at(1_000);
        let clock = time.clock().adjusted_by(Arc::new(AtomicI64::new(5)));
        time.advance(Duration::from_secs(60));
        assert_eq!((clock.now(), clock.manual_elapsed()), (1_065, Some(Duration::from_secs(60))));
        time.set(9_000);
        assert_eq!((clock.now(), clock.manual_elapsed()), (9_005, Some(Duration::from_secs(60))));
        assert_eq!(Clock::system().manual_elapsed(), None);
    }
}
