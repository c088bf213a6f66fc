//! Verification of the whole audit trail: every row, every chain head, and that no chain is missing. It runs beside live
//! services, in memory that does not grow with the rows.

mod check;
mod checkpoint;
mod claims;
mod report;
mod walk;

pub use check::verify;
pub use checkpoint::{Checkpoint, NotACheckpoint};
pub use report::{Finding, Report};
