//! Why the database did not do what was asked.

use diesel::r2d2::PoolError;
use diesel::result::Error;
use tokio::task::JoinError;
use tokio::time::error::Elapsed;

/// A failure of the store. Its text is for the log: clients see none of it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("it cannot be opened: {0}")]
    Open(#[from] diesel::ConnectionError),
    #[error("no connection: {0}")]
    Connection(#[from] PoolError),
    #[error("a query failed: {0}")]
    Query(#[from] Error),
    #[error("a migration failed: {0}")]
    Migration(Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer in time")]
    Timeout(#[from] Elapsed),
    #[error("a query panicked: {0}")]
    Panic(#[from] JoinError),
    #[error("it is shutting down")]
    Closed,
}
