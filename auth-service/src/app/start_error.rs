//! Why the service does not start.

use std::io;

use service_kit::settings::SettingsError;
use service_kit::{CapacityError, Listen};
use shared_claims::error::SetupError;

use crate::domain::keyring::KeyringError;
use crate::domain::keyring::sealing::MasterKeyError;
use crate::domain::marks::MarksError;
use crate::domain::processes::{IssuerError, RevertError};
use crate::store::engine::wal::ForeignWal;
use crate::store::error::StoreError;

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum StartError {
    #[error(transparent)]
    Setting(#[from] SettingsError),
    #[error("cannot make the data folder {0}")]
    DataDir(String, #[source] io::Error),
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error("setting `passwords.argon2id`: {0}")] // argon2 is built without `std::error::Error`
    Argon2id(argon2::Error),
    #[error("cannot start the hashing threads: {0}")]
    Threads(String),
    #[error("cannot set up the verifier of this service's own tokens")]
    Verifier(#[from] SetupError),
    #[error(transparent)]
    Marks(#[from] MarksError),
    #[error(
        "the database is older than its marks ({0}): it was set back. No command works with it before \
         `auth-service recover`"
    )]
    Behind(String),
    #[error("cannot listen on {0}")]
    Listen(Listen, #[source] io::Error),
    #[error(
        "there is no database at {0}. Check the setting; `auth-service serve` and `auth-service migrate` create a database"
    )]
    NoDatabase(String),
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    #[error(transparent)]
    Revert(#[from] RevertError),
    #[error(transparent)]
    ForeignWal(#[from] ForeignWal),
    #[error(transparent)]
    Capacity(#[from] CapacityError),
}
