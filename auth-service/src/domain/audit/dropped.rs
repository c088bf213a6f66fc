//! Events without a row of their own. They are counted, and the counts are written.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::audit::refusals::Refusals;

/// Events without a row of their own.
#[derive(Debug)]
pub(super) struct Dropped {
    /// Events that the queue had no room for.
    lost: AtomicU64,
    /// Refusals beyond their budgets.
    pub(super) refusals: Refusals,
}

impl Dropped {
    pub(super) fn new(refusals: Refusals) -> Self {
        Self { lost: AtomicU64::new(0), refusals }
    }

    /// Counts an event that is lost.
    pub(super) fn lose_one(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the number of events that were lost since the last call.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}
