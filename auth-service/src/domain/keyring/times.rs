//! The times of a key.

use crate::store::keys::SealedKey;

/// When a key was made and from when on it is in force, in unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) created_at: i64,
    pub(super) active_from: i64,
}

impl Times {
    pub(super) fn of(row: &SealedKey) -> Self {
        Self { created_at: row.created_at, active_from: row.active_from }
    }
}
