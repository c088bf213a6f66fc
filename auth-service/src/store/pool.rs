//! A pool of connections. One that failed is not used again, and one that rested is looked at before it is used.

use std::time::{Duration, Instant};

use diesel::r2d2;

use super::connection::{Connection, is_broken, ping};
use super::connector::Connector;
use super::error::StoreError;

/// A connection that rested for longer than this is asked whether it still lives.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub(super) struct Pool(r2d2::Pool<Connector>);

/// A connection in the pool, with what decides about its next use.
pub(super) struct Pooled {
    connection: Connection,
    /// When it last worked; `None` after a failure.
    worked_at: Option<Instant>,
    failed: bool,
}

impl Pool {
    pub(super) fn new(connector: Connector, size: u32, timeout: Duration) -> Result<Self, StoreError> {
        let pool = r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(timeout)
            .build(connector)
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self(pool))
    }

    /// Runs `job` on a connection, waiting for a free one no longer than the pool's time-out.
    pub(super) fn with<T, E: From<StoreError>>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut pooled = self.0.get().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        pooled.failed = true; // until the job is through: a panic leaves it so
        let result = job(&mut pooled.connection);
        // A job's error may be a broken connection or a plain conflict; after either, a look before the next use tells.
        pooled.failed = is_broken(&mut pooled.connection);
        pooled.worked_at = result.is_ok().then(Instant::now);
        result
    }
}

impl r2d2::ManageConnection for Connector {
    type Connection = Pooled;
    type Error = StoreError;

    fn connect(&self) -> Result<Pooled, StoreError> {
        Ok(Pooled { connection: self.open()?, worked_at: Some(Instant::now()), failed: false })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), StoreError> {
        let fresh = pooled.worked_at.is_some_and(|at| at.elapsed() < TRUSTED_FOR);
        if fresh { Ok(()) } else { ping(&mut pooled.connection) }
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        pooled.failed
    }
}
