//! The database's clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use shared_claims::verifier::Clock;

use crate::domain::clock::monitor::{Change, Moment, Monitor};

/// A clock that is off by less than this many seconds is left as it is.
const TOLERATED: i64 = 2;
/// An answer of the database that took longer than this many seconds says nothing about the time of now.
const STALE: i64 = 10;
/// How often both clocks are read again when the process was held up between the two.
const READINGS: usize = 3;

/// The clock that counts the seconds that pass, also while the machine is suspended. It cannot be set.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSET_CLOCK: ClockId = ClockId::CLOCK_BOOTTIME;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const UNSET_CLOCK: ClockId = ClockId::CLOCK_MONOTONIC;

/// This machine's clock, put right by the database's, and what is known about how far it can be believed.
#[derive(Debug, Clone)]
pub struct DatabaseClock {
    local: Clock,
    /// How many seconds the database's clock is ahead of ours; 0 when it hardly is.
    ahead: Arc<AtomicI64>,
    monitor: Arc<Mutex<Monitor>>,
}

impl DatabaseClock {
    /// A clock that goes like `local` until something else is observed. It is watched from its first reading on.
    #[must_use]
    pub fn new(local: Clock) -> Self {
        Self { local, ahead: Arc::default(), monitor: Arc::default() }
    }

    /// Unix seconds, as the database stores them.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.moment().now
    }

    /// Reads the clock, and says how far it is to be trusted just now.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let (moment, change) = {
            // Both clocks are read under the lock, so that readings are compared in their order.
            let mut monitor = self.monitor.lock().unwrap_or_else(PoisonError::into_inner);
            let (wall, elapsed) = self.read_both();
            monitor.read(wall, elapsed)
        };
        match change {
            Some(Change::Doubted(seconds)) => log::warn!(
                "the clock went {seconds}s further than the time that passed: until it has agreed with CLOCK_BOOTTIME \
                 for an hour, nothing is deleted, and what the time alone would end is answered with 503"
            ),
            Some(Change::Believed) => {
                log::warn!(
                    "the clock has agreed with the time that passed for an hour: it is believed again"
                );
            }
            None => {}
        }
        moment
    }

    /// Whether the clock disagreed with the time that passed within the last hour.
    #[must_use]
    pub fn in_doubt(&self) -> bool {
        self.moment().in_doubt
    }

    /// The wall clock, and the clock that cannot be set, of the same second.
    fn read_both(&self) -> (i64, i64) {
        let mut before = self.elapsed();
        for _ in 0..READINGS {
            let (wall, after) = (self.wall(), self.elapsed());
            if after.saturating_sub(before) <= 1 {
                return (wall, before);
            }
            before = after;
        }
        (self.wall(), before)
    }

    fn wall(&self) -> i64 {
        unix_seconds(&self.clock())
    }

    /// Seconds that have passed since some fixed moment. Where the system cannot say, the clock stays in doubt.
    #[must_use]
    pub fn elapsed(&self) -> i64 {
        match self.local.manual_elapsed() {
            Some(elapsed) => i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX),
            None => clock_gettime(UNSET_CLOCK).map_or(0, |time| time.tv_sec()),
        }
    }

    /// The same as a clock for others.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.local.adjusted_by(Arc::clone(&self.ahead))
    }

    /// Sets the clock by the time that the database had when it was asked, at the moment `asked` of
    /// [`elapsed`](Self::elapsed). One that a test sets is the time, whatever a database says.
    pub fn observe(&self, database: i64, asked: i64) {
        if self.local.is_manual() {
            return;
        }
        if self.elapsed().saturating_sub(asked) > STALE {
            log::debug!("the database took too long to say what time it is");
            return;
        }
        let ahead = database.saturating_sub(unix_seconds(&self.local));
        let ahead = if ahead.abs() < TOLERATED { 0 } else { ahead };
        if self.ahead.swap(ahead, Ordering::Relaxed) == 0 && ahead != 0 {
            log::warn!(
                "this machine's clock is {}s off the database's, which is the one that counts",
                -ahead
            );
        }
    }

    /// How many seconds this machine's clock is ahead of the database's; 0 when it hardly is.
    #[must_use]
    pub fn skew(&self) -> i64 {
        -self.ahead.load(Ordering::Relaxed)
    }
}

fn unix_seconds(clock: &Clock) -> i64 {
    i64::try_from(clock.now()).unwrap_or(i64::MAX)
}

/// Returns whole seconds, as the database stores them.
pub(in crate::domain) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
