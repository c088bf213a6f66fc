//! Failures of the database.

use diesel::r2d2::PoolError;
use diesel::result::Error;
use tokio::task::JoinError;
use tokio::time::error::Elapsed;

/// A failure of the store. It is logged with its causes, and no client sees it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("it cannot be opened")]
    Open(#[from] diesel::ConnectionError),
    #[error("there is no connection")]
    Connection(#[from] PoolError),
    #[error("a query failed")]
    Query(#[from] Error),
    #[error("a migration failed")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer in time")]
    Timeout(#[from] Elapsed),
    #[error("a query panicked")]
    Panic(#[from] JoinError),
    #[error("it is shutting down")]
    Closed,
}
