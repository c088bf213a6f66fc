//! The outcome of the latest poll.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::store::error::StoreError;

/// The latest poll.
#[derive(Debug, Default)]
pub(super) struct LatestPoll {
    /// When it began, and its outcome. Locked by the task that polls.
    pub(super) outcome: tokio::sync::Mutex<Option<(Instant, Result<(), StoreError>)>>,
    /// Whether its keys could not be adopted. That is logged once.
    pub(super) keys_failed: AtomicBool,
}
