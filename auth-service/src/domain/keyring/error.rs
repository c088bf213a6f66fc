//! Failures of keys.

use crate::store::error::StoreError;

/// Why there are no usable keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The master key is not the one the database was sealed with.
    #[error(
        "no {purpose} key in the database opens with this master key: give the one they were sealed with as \
         master_key, or as master_key_previous. If it is lost, `auth-service recover` makes new keys and ends every \
         session; accounts and passwords stay. Where no master key is left, add --new-master-key"
    )]
    Sealed {
        /// `access`, `refresh`, `audit` or `names`.
        purpose: &'static str,
    },
    /// No server was ever started on the database.
    #[error(
        "the database has no keys yet: `auth-service serve` makes them at its first start, and `auth-service key rotate` \
         where the master key is given"
    )]
    NoKeys,
    /// There are other keys, and none to sign with.
    #[error(
        "the database has no signing key: the server signs with tokens.shared_secret (HS256), or the row was deleted. A \
         start of `auth-service serve` that is set to another algorithm makes the first one"
    )]
    NoSigningKey,
    /// The database has keys that this process cannot load. Nothing is signed until it can.
    #[error(
        "the database has keys that cannot be read, or do not open with this master key; nothing is signed. Give the key \
         that they were sealed with as master_key or as master_key_previous. Rows that nobody can open go with \
         `auth-service key rotate --emergency` (access) or `auth-service recover` (all)"
    )]
    Closed,
    /// The database's keys are sealed with a newer master key than this process has.
    #[error(
        "the database's keys are sealed with a newer master key than this one, and nothing is sealed with an older one \
         again: give the newer one as master_key or as master_key_previous"
    )]
    OlderMasterKey,
    /// A key could not be made or used.
    #[error("a key could not be made or used")]
    Crypto,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl KeyringError {
    /// Whether it is the store's, which has reported it itself.
    #[must_use]
    pub fn is_reported(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_reported())
    }
}
