//! The audit trail: one row for each security event, in a table that only grows. A row that was changed, deleted, inserted or
//! written again is found.
//!
//! The door is [`Audit`]: `start`, `record`, `close`. `record` puts an event into a queue and returns. One task of the process
//! (`writer`) writes what is queued, a batch in one transaction.
//!
//! Each process writes a *chain* of its own, so that no process waits for another. Every row has a MAC over itself and the MAC
//! of the row before. The key is in the database, sealed with the master key. The *chain head* is a row with the last position
//! of a chain and its MAC; it has a MAC as well, and is written with each batch. A *checkpoint* is a chain head that was also
//! written elsewhere: into another chain or into the log. It proves that no rows before it were cut off.
//!
//! [`Trail`] reads the trail and deletes old rows, [`verify`] checks all of it. Decisions: docs/decisions/0011-audit.md.

mod batch;
mod checkpoints;
mod context;
mod dropped;
mod entry;
mod event;
mod heads;
mod mac;
mod pruning;
mod recorder;
mod refusals;
mod row;
mod rules;
mod trail;
pub mod verify;
mod writer;

pub use context::AuditContext;
pub use entry::AuditEntry;
pub use event::{Event, EventKind, Reason};
pub use recorder::Audit;
pub use refusals::RefusalRules;
pub use rules::AuditRules;
pub use trail::{Trail, TrailPage, TrailQuery, cursor, parse_cursor};
