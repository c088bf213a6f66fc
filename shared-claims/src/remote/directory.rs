//! When the issuer's names of all its status lists are read again (draft-ietf-oauth-status-list section 9). Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::pauses::{back_off, scattered};

const INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Events about lists that are not known cause no reading sooner than so long after the one before.
const SHORTEST: Duration = Duration::from_secs(2);
const BACK_OFF: Duration = Duration::from_secs(1);
const MAX_BACK_OFF: Duration = Duration::from_secs(60);
/// No reading takes longer: one that is not over by then was lost.
const LOST: Duration = Duration::from_secs(30);

/// The plan for the next reading.
pub(super) struct Directory {
    due: Instant,
    began: Option<Instant>,
    under_way: bool,
    pub(super) failures: u32,
}

impl Directory {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now, began: None, under_way: false, failures: 0 }
    }

    /// When there is something to do.
    pub(super) fn next(&self) -> Instant {
        match self.began {
            Some(began) if self.under_way => began + LOST,
            _ => self.due,
        }
    }

    /// There is a reason to read before it is time.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.due = self.due.min(self.began.map_or(now, |began| now.max(began + SHORTEST)));
    }

    pub(super) fn begin(&mut self, now: Instant) {
        (self.began, self.under_way) = (Some(now), true);
        self.due = now + INTERVAL;
    }

    /// There is nothing to read so far.
    pub(super) fn skip(&mut self, now: Instant) {
        self.due = now + INTERVAL;
    }

    pub(super) fn ended(&mut self, good: bool, now: Instant) {
        self.under_way = false;
        self.failures = if good { 0 } else { self.failures.saturating_add(1) };
        let pause = if good { scattered(INTERVAL) } else { back_off(self.failures, BACK_OFF, MAX_BACK_OFF) };
        self.due = self.due.min(now + pause);
    }
}
