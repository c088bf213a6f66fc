//! Failures of the database, as callers of the use cases see them.

use crate::store::error::StoreError;

/// A failure of the database. Its text is for the log: clients see none of it.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseFailure(#[from] StoreError);

impl DatabaseFailure {
    /// Whether the database is away, full or damaged. Anything else is an error of this program.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self.0, StoreError::Unavailable(_) | StoreError::Corrupt(_))
    }

    /// Whether the store has logged the outage already.
    #[must_use]
    pub fn is_logged(&self) -> bool {
        self.0.is_reported()
    }
}
