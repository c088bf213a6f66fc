//! Changes of keys by this process, for the audit trail.

use std::sync::{Mutex, PoisonError};

use crate::store::keys::SealedKey;

/// A change of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChange {
    /// A key was made.
    Made {
        /// Its id.
        kid: String,
        /// `access`, `refresh` or `audit`.
        purpose: String,
        /// From when on it is in force, in unix seconds.
        active_from: i64,
        /// `first`, `schedule`, `command`, `emergency` or `algorithm`.
        why: &'static str,
    },
    /// Keys that were sealed with the previous master key are sealed with the new one.
    Resealed {
        /// How many.
        count: usize,
    },
    /// Keys were deleted: nothing that they signed is valid any more.
    Retired {
        /// Their ids.
        kids: Vec<String>,
    },
}

impl KeyChange {
    pub(super) fn made(key: &SealedKey, why: &'static str) -> Self {
        let (kid, purpose) = (key.kid.clone(), key.purpose.clone());
        Self::Made { kid, purpose, active_from: key.active_from, why }
    }
}

/// The changes that are not recorded yet.
#[derive(Debug)]
pub(super) struct KeyChanges(Mutex<Vec<KeyChange>>);

impl KeyChanges {
    pub(super) fn new(changes: Vec<KeyChange>) -> Self {
        Self(Mutex::new(changes))
    }

    pub(super) fn add(&self, change: KeyChange) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }

    pub(super) fn take(&self) -> Vec<KeyChange> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
