//! A pool of connections. A connection that failed is not used again. Each is checked before it is used, so that no job fails
//! because a connection died in the pool.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use diesel::r2d2;

use crate::store::engine::connection::{Connection, begin, is_broken, ping, run_begun};
use crate::store::engine::connector::Connector;
use crate::store::engine::watch::{Access, Watch};
use crate::store::error::{StoreError, take_trouble};

type Inner = r2d2::Pool<Connector>;

#[derive(Debug, Clone)]
pub(in crate::store) struct Pool {
    /// `None` when it was closed.
    inner: Arc<RwLock<Option<Inner>>>,
    timeout: Duration,
    watch: Watch,
}

/// A connection in the pool, and whether it may be used again.
pub(in crate::store) struct Pooled {
    connection: Connection,
    failed: bool,
}

impl Pool {
    pub(in crate::store) fn new(
        connector: Connector,
        size: u32,
        timeout: Duration,
        watch: Watch,
    ) -> Result<Self, StoreError> {
        let pool = r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(0)) // opened on demand only: one that is being opened would outlive `close`, and keep SQLite's WAL
            .connection_timeout(timeout)
            .test_on_check_out(false) // `healthy` does, by the kind of access
            .error_handler(Box::new(r2d2::NopErrorHandler)) // the caller that waits for the connection gets the error
            .build(connector)
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { inner: Arc::new(RwLock::new(Some(pool))), timeout, watch })
    }

    /// Runs `job` on a connection. Waits for a free one up to the pool's timeout.
    pub(in crate::store) fn read<T, E: From<StoreError>>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.run(Access::Read, ping, job)
    }

    /// Runs `job` in a transaction of its own.
    pub(in crate::store) fn write<T, E: From<StoreError>>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        // The start of the transaction is the check of the connection.
        self.run(Access::Write, begin, |connection| run_begun(connection, job))
    }

    /// Closes the connections: idle ones now, the others when their jobs are done.
    pub(in crate::store) fn close(&self) {
        self.inner.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn run<T, E: From<StoreError>>(
        &self,
        access: Access,
        check: impl Fn(&mut Connection) -> Result<(), StoreError>,
        job: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut pooled = self.healthy(check).inspect_err(|error| self.watch.failed(access, error))?;
        pooled.failed = true; // until the job has ended: a panic leaves it set
        let result = job(&mut pooled.connection);
        pooled.failed = is_broken(&mut pooled.connection);
        match (&result, take_trouble()) {
            (Ok(_), _) => self.watch.succeeded(access),
            (Err(_), Some(trouble)) => self.watch.failed(access, &trouble),
            (Err(_), None) => {}
        }
        result
    }

    /// Returns a connection on which `check` succeeds. The job has not begun, so the next connection can be tried.
    fn healthy(
        &self,
        check: impl Fn(&mut Connection) -> Result<(), StoreError>,
    ) -> Result<r2d2::PooledConnection<Connector>, StoreError> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner).clone();
        let inner = inner.ok_or_else(StoreError::closed)?;
        let deadline = Instant::now() + self.timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut pooled =
                inner.get_timeout(left).map_err(|error| StoreError::Unavailable(error.to_string()))?;
            let checked = check(&mut pooled.connection);
            take_trouble(); // the error is returned, or another connection is tried
            match checked {
                Ok(()) => return Ok(pooled),
                Err(error) => {
                    pooled.failed = true;
                    if Instant::now() >= deadline || !matches!(error, StoreError::Unavailable(_)) {
                        return Err(error);
                    }
                }
            }
        }
    }
}

impl r2d2::ManageConnection for Connector {
    type Connection = Pooled;
    type Error = StoreError;

    fn connect(&self) -> Result<Pooled, StoreError> {
        Ok(Pooled { connection: self.open()?, failed: false })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), StoreError> {
        ping(&mut pooled.connection)
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        pooled.failed
    }
}
