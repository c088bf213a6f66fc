//! The limit of one counter.

use std::time::Duration;

use crate::domain::clock::seconds;

/// The limit of one counter: how many wrong passwords are free of a wait, and how long the waits are after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// How many are free of a wait.
    pub attempts: u32,
    /// Within this time. They leak away one by one.
    pub window: Duration,
    /// The wait after the last free one. Each further wrong password doubles it ...
    pub first_wait: Duration,
    /// ... up to this.
    pub longest_wait: Duration,
}

impl Rule {
    pub(super) fn attempts(&self) -> i64 {
        i64::from(self.attempts)
    }

    /// The wait after this many failures, in seconds.
    pub(super) fn wait(&self, failures: i64) -> i64 {
        let doublings = u32::try_from(failures - self.attempts()).unwrap_or(0).min(62);
        seconds(self.first_wait).saturating_mul(1 << doublings).min(seconds(self.longest_wait))
    }

    /// How long a row has an effect, in seconds.
    pub(super) fn memory(&self) -> i64 {
        seconds(self.window).saturating_add(seconds(self.longest_wait))
    }
}
