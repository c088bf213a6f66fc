//! Why the service does not start.

use std::io;

use service_kit::program::Failure;
use service_kit::settings::SettingsError;
use service_kit::{CapacityError, Listen};
use shared_claims::error::SetupError;

use crate::store::StoreError;

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum StartError {
    #[error(transparent)]
    Setting(#[from] SettingsError),
    #[error("cannot make the data folder {0}")]
    DataDir(String, #[source] io::Error),
    #[error("cannot read the books in {0}")]
    Books(String, #[source] io::Error),
    #[error("cannot open the database {0}")]
    Store(String, #[source] StoreError),
    #[error("cannot set up the verifier")]
    Verifier(#[source] SetupError),
    #[error("cannot listen on {0}")]
    Listen(Listen, #[source] io::Error),
    #[error(transparent)]
    Capacity(#[from] CapacityError),
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Setting(error) => Self::Settings(error),
            error => Self::Other(error.into()),
        }
    }
}
