//! Why a password was not checked.

use crate::domain::audit::Reason;
use crate::domain::authn::passwords::HashingError;
use crate::domain::authn::throttle::budget::Budget;
use crate::store::error::StoreError;

/// Why a password was not checked.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// Too many passwords were wrong.
    #[error("too many wrong passwords: try again in {} seconds", .0.next_in)]
    TooMany(Budget),
    /// No hash could be computed in time.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AttemptError {
    /// The reason for the audit trail; `None` for failures of the service.
    pub(in crate::domain) fn reason(&self) -> Option<Reason> {
        match self {
            Self::TooMany(_) => Some(Reason::TooManyAttempts),
            Self::Hashing(HashingError::Overloaded) => Some(Reason::Overloaded),
            Self::Hashing(HashingError::Impossible) | Self::Store(_) => None,
        }
    }
}
