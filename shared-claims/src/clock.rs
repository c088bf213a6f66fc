//! The source of time: the wall clock, or one that a test sets.
//!
//! Tokens are checked by the wall clock, because that is what `exp` and `nbf` mean. Cool-downs and the age of keys use a
//! monotonic clock, so that a correction of the wall clock neither extends nor ends them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The monotonic clock; tokio's where there is a runtime, so that tests can pause it.
#[cfg(not(feature = "remote"))]
pub(crate) use std::time::Instant;
#[cfg(feature = "remote")]
pub(crate) use tokio::time::Instant;

/// When something was last known to be current, by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Freshness {
    at: Instant,
    /// How old it already was at that time.
    before: Duration,
}

impl Freshness {
    /// Current `now`.
    pub(crate) fn at(now: Instant) -> Self {
        Self { at: now, before: Duration::ZERO }
    }

    /// Last current `age` before `now`, possibly in another process.
    #[cfg(feature = "remote")]
    pub(crate) fn aged(age: Duration, now: Instant) -> Self {
        Self { at: now, before: age }
    }

    pub(crate) fn age_at(&self, now: Instant) -> Duration {
        self.before.saturating_add(now.saturating_duration_since(self.at))
    }
}

/// A source of the current time in whole seconds since 1970 (the `NumericDate` of RFC 7519).
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<ManualTime>),
    /// Another clock, and the seconds to add to it.
    Adjusted(Arc<Clock>, Arc<AtomicI64>),
}

/// The time that a test sets. Each change is one store, so that a reader sees both clocks before or after it.
#[derive(Debug)]
struct ManualTime {
    /// What the wall clock reads when no time has passed, in seconds since 1970; wraps around.
    origin: AtomicU64,
    /// How much time a test has let pass, in seconds.
    passed: AtomicU64,
}

impl ManualTime {
    fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    fn wall(&self) -> u64 {
        self.origin.load(Ordering::Relaxed).wrapping_add(self.passed())
    }
}

impl Clock {
    /// Returns the machine's wall clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// Returns the seconds since 1970. A machine set to a time before 1970 reads 0, at which no token is valid yet.
    #[must_use]
    pub fn now(&self) -> u64 {
        match &self.0 {
            Source::System => system_now(),
            Source::Manual(time) => time.wall(),
            Source::Adjusted(clock, ahead) => {
                clock.now().saturating_add_signed(ahead.load(Ordering::Relaxed))
            }
        }
    }

    /// Returns the monotonic time, plus the time that a test has let pass.
    pub(crate) fn instant(&self) -> Instant {
        match &self.0 {
            Source::System => Instant::now(),
            Source::Manual(time) => Instant::now() + Duration::from_secs(time.passed()),
            Source::Adjusted(clock, _) => clock.instant(),
        }
    }

    /// Returns a clock that reads this one plus the seconds that `ahead` holds at that moment. For a machine that follows the
    /// clock of another one.
    #[must_use]
    pub fn adjusted_by(&self, ahead: Arc<AtomicI64>) -> Self {
        Self(Source::Adjusted(Arc::new(self.clone()), ahead))
    }

    /// Returns whether a test sets this clock.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        self.manual_elapsed().is_some()
    }

    /// Returns how much time a test has let pass by [`ManualClock::advance`], or `None` for a system clock.
    ///
    /// [`ManualClock::set`] does not change it: the two differ as a wall clock that is set differs from `CLOCK_BOOTTIME`.
    #[must_use]
    pub fn manual_elapsed(&self) -> Option<Duration> {
        match &self.0 {
            Source::System => None,
            Source::Manual(time) => Some(Duration::from_secs(time.passed())),
            Source::Adjusted(clock, _) => clock.manual_elapsed(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn system_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A clock that only moves when a test moves it.
///
/// ```
/// # use {shared_claims::verifier::ManualClock, std::time::Duration};
/// let time = ManualClock::at(1_800_000_000);
/// let clock = time.clock(); // give this one to the code under test
/// time.advance(Duration::from_secs(301));
/// assert_eq!(clock.now(), 1_800_000_301);
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<ManualTime>);

impl ManualClock {
    /// Creates a clock that reads `seconds` since 1970.
    #[must_use]
    pub fn at(seconds: u64) -> Self {
        Self(Arc::new(ManualTime { origin: AtomicU64::new(seconds), passed: AtomicU64::new(0) }))
    }

    /// Returns the [`Clock`] that this one controls.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock(Source::Manual(Arc::clone(&self.0)))
    }

    /// Lets time pass: moves the clock forward by `by`, and keys and lists grow older by as much. Fractions of a second are
    /// dropped.
    pub fn advance(&self, by: Duration) {
        self.0.passed.fetch_add(by.as_secs(), Ordering::Relaxed);
    }

    /// Sets the clock to `seconds` since 1970, forwards or backwards, like a correction of the wall clock: keys and lists do
    /// not grow older by it.
    pub fn set(&self, seconds: u64) {
        self.0.origin.store(seconds.wrapping_sub(self.0.passed()), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_a_clock_lets_no_time_pass_and_advancing_it_does() {
        let time = ManualClock::at(1_000);
        let clock = time.clock().adjusted_by(Arc::new(AtomicI64::new(5)));
        time.advance(Duration::from_secs(60));
        assert_eq!((clock.now(), clock.manual_elapsed()), (1_065, Some(Duration::from_secs(60))));
        time.set(9_000);
        assert_eq!((clock.now(), clock.manual_elapsed()), (9_005, Some(Duration::from_secs(60))));
        assert_eq!(Clock::system().manual_elapsed(), None);
    }
}
