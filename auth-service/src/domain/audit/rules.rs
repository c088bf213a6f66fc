//! How the trail is written.

use std::time::Duration;

use crate::domain::audit::refusals::RefusalRules;

/// How the trail is written.
#[derive(Debug, Clone, Copy)]
pub struct AuditRules {
    /// The number of events that may wait to be written.
    pub queue: usize,
    /// How long a request waits for a free place in the queue.
    pub patience: Duration,
    /// How long events are collected before they are written together.
    pub flush_interval: Duration,
    /// The most rows of one transaction.
    pub batch_size: usize,
    /// How often checkpoints are written: of the own chain into the log, of the other chains into the own one.
    pub checkpoint_interval: Duration,
    /// Which refusals get a row of their own.
    pub refusals: RefusalRules,
}
