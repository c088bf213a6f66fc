//! What a process did about keys by itself, for the audit trail.

use std::sync::{Mutex, PoisonError};

use crate::store::keys::SealedKey;

/// What became of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyNews {
    /// A new one is there.
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
    /// So many that were sealed with the master key before are sealed with the new one.
    Resealed {
        /// How many.
        count: usize,
    },
    /// These were deleted: nothing that they signed is alive.
    Retired {
        /// Their ids.
        kids: Vec<String>,
    },
}

impl KeyNews {
    pub(super) fn made(key: &SealedKey, why: &'static str) -> Self {
        let (kid, purpose) = (key.kid.clone(), key.purpose.clone());
        Self::Made { kid, purpose, active_from: key.active_from, why }
    }
}

/// What nobody has asked for yet.
#[derive(Debug)]
pub(super) struct News(Mutex<Vec<KeyNews>>);

impl News {
    pub(super) fn new(news: Vec<KeyNews>) -> Self {
        Self(Mutex::new(news))
    }

    pub(super) fn add(&self, news: KeyNews) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(news);
    }

    pub(super) fn take(&self) -> Vec<KeyNews> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
