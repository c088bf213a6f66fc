//! Why the service does not start.

use std::io;

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
    #[error("cannot make the data folder {0}: {1}")]
    DataDir(String, io::Error),
    #[error("cannot read the books in {0}: {1}")]
    Books(String, io::Error),
    #[error("cannot open the database {0}: {1}")]
    Store(String, StoreError),
    #[error("cannot set up the verifier: {0}")]
    Verifier(SetupError),
    #[error("cannot listen on {0}: {1}")]
    Listen(Listen, io::Error),
    #[error(transparent)]
    Capacity(#[from] CapacityError),
    #[error("cannot serve: {0}")]
    Io(#[from] io::Error),
}
