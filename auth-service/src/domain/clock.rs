//! What time it is: the database's time, so that replicas whose clocks differ do not see theft where there is none.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use shared_claims::verifier::Clock;

/// A clock that is off by less than this many seconds is left as it is.
const TOLERATED: i64 = 2;

/// This machine's clock, put right by the database's.
#[derive(Debug, Clone)]
pub struct DatabaseClock {
    local: Clock,
    /// How many seconds the database's clock is ahead of ours; 0 when it hardly is.
    ahead: Arc<AtomicI64>,
}

impl DatabaseClock {
    /// A clock that goes like `local` until something else is observed.
    #[must_use]
    pub fn new(local: Clock) -> Self {
        Self { local, ahead: Arc::default() }
    }

    /// Unix seconds, as the database stores them.
    #[must_use]
    pub fn now(&self) -> i64 {
        i64::try_from(self.clock().now()).unwrap_or(i64::MAX)
    }

    /// The same as a clock for others.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.local.adjusted_by(Arc::clone(&self.ahead))
    }

    /// Sets the clock by the time that the database has just now. One that a test sets is the time, whatever a database
    /// says.
    pub fn observe(&self, database: i64) {
        if self.local.is_manual() {
            return;
        }
        let ahead = database.saturating_sub(i64::try_from(self.local.now()).unwrap_or(i64::MAX));
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
