//! The database for the rest of the program: reads, transactions, and health.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::Semaphore;

use crate::store::engine::connection::{Connection, Database, time};
use crate::store::engine::connector::Connector;
use crate::store::engine::migrations;
use crate::store::engine::migrations::Planned;
use crate::store::engine::pool::Pool;
use crate::store::engine::probe::{Health, Probe, count_up, look_at_tables};
use crate::store::engine::watch::{Access, Watch};
use crate::store::engine::writer::Writer;
use crate::store::error::{JobError, StoreError};

/// The limits of concurrent work, and how long a caller waits.
#[derive(Debug, Clone, Copy)]
pub struct StoreLimits {
    /// Connections that read (SQLite) or read and write (PostgreSQL).
    pub pool_size: u32,
    /// How long a caller waits. Then the database counts as unavailable.
    pub timeout: Duration,
    /// SQLite: writes that may wait for the writer.
    pub write_queue: usize,
    /// SQLite: the largest number of writes in one commit.
    pub write_group: usize,
}

/// The database. Cloning it is cheap; all clones share the same connections.
#[derive(Debug, Clone)]
pub struct Store {
    connector: Connector,
    pool: Pool,
    permits: Arc<Semaphore>,
    /// SQLite has one writer that commits in groups. PostgreSQL groups commits itself, and writes through the pool.
    writer: Option<Writer>,
    timeout: Duration,
    watch: Watch,
    probe: Probe,
}

impl Store {
    /// Opens the database at `url` (`sqlite://path` or `postgres://…`), and brings its tables up to date.
    ///
    /// # Errors
    /// The database cannot be reached, or its migrations fail. The text never holds the URL, which may hold a password.
    pub fn open(url: &SecretString, limits: StoreLimits) -> Result<Self, StoreError> {
        let database = Database::parse(url, limits.timeout)?;
        for version in migrations::run(&mut database.connect()?)? {
            log::info!("applied migration {version}");
        }
        let watch = Watch::default();
        let probe = Probe::of(&database);
        let has_one_writer = matches!(database, Database::Sqlite { .. });
        let connector = Connector::new(database);
        let writer = if has_one_writer {
            Some(Writer::start(connector.clone(), limits.write_queue, limits.write_group, watch.clone())?)
        } else {
            None
        };
        Ok(Self {
            pool: Pool::new(connector.clone(), limits.pool_size, limits.timeout, watch.clone())?,
            connector,
            permits: Arc::new(Semaphore::new(limits.pool_size as usize)),
            writer,
            timeout: limits.timeout,
            watch,
            probe,
        })
    }

    /// Checks that a server at `url` accepts a connection now. An SQLite file is not checked.
    ///
    /// # Errors
    /// Why it accepts none; [`StoreError::Unavailable`] if another attempt may succeed.
    pub fn try_connect(url: &SecretString, limits: StoreLimits) -> Result<(), StoreError> {
        match Database::parse(url, limits.timeout)? {
            Database::Sqlite { .. } => Ok(()),
            server @ Database::Postgres { .. } => server.connect().map(drop),
        }
    }

    /// Closes the database, after its last use. SQLite's write-ahead log is written into the file and deleted, unless another
    /// process has the file open.
    pub async fn close(&self) {
        self.pool.close();
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
    }

    /// Runs `inspection` on each connection that is opened from now on, before anything else uses it: after a failure the next
    /// connection may lead to another copy of the database. A connection that it refuses is not used.
    pub fn inspect(
        &self,
        inspection: impl Fn(&mut Connection) -> Result<(), StoreError> + Send + Sync + 'static,
    ) {
        self.connector.inspect(inspection);
    }

    /// Opens the database at `url`; `None` if no program has created tables in it. Then nothing is created.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_existing(url: &SecretString, limits: StoreLimits) -> Result<Option<Self>, StoreError> {
        if Self::exists(url, limits)? { Self::open(url, limits).map(Some) } else { Ok(None) }
    }

    /// Whether there is a database at `url` in which a program has created tables.
    ///
    /// # Errors
    /// It cannot be reached, or is not a database.
    pub fn exists(url: &SecretString, limits: StoreLimits) -> Result<bool, StoreError> {
        let database = Database::parse(url, limits.timeout)?;
        // A connection would create the file.
        if database.is_absent() {
            return Ok(false);
        }
        migrations::were_applied(&mut database.connect()?)
    }

    /// Undoes the newest `count` migrations of the database at `url`, with the data in their tables, if `check` agrees to that
    /// plan, in the same transaction. Returns their versions.
    ///
    /// # Errors
    /// That of `check`; the database cannot be reached, or one of the migrations is unknown.
    pub fn revert<E: From<StoreError>>(
        url: &SecretString,
        count: usize,
        limits: StoreLimits,
        check: impl FnOnce(&mut Connection, &[Planned]) -> Result<(), E>,
    ) -> Result<Vec<String>, E> {
        migrations::revert(&mut Database::parse(url, limits.timeout)?.connect()?, count, check)
    }

    /// Runs queries that only read. Only what one query reads is consistent.
    ///
    /// # Errors
    /// The job's own, or [`StoreError::Unavailable`] when the database did not answer in time.
    pub async fn read<T, E>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: JobError,
    {
        let pool = self.pool.clone();
        self.on_pool(Access::Read, move || pool.read(job)).await
    }

    /// Runs a transaction: all of the job is durable when this returns `Ok`, and none of it after an `Err`.
    ///
    /// A statement whose error the job handles must be in a savepoint (`connection.transaction(…)`), because PostgreSQL aborts
    /// the whole transaction at the first error.
    ///
    /// # Errors
    /// The job's own, or [`StoreError::Unavailable`] if it could not be made durable in time. Then the outcome is unknown: the job
    /// may still be committed.
    pub async fn write<T, E>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: JobError,
    {
        let Some(writer) = &self.writer else {
            let pool = self.pool.clone();
            return self.on_pool(Access::Write, move || pool.write(job)).await;
        };
        match tokio::time::timeout(self.timeout, writer.submit(job)).await {
            Ok(result) => result,
            Err(_) => Err(self.late(Access::Write).into()),
        }
    }

    /// Checks the health of the database within `patience`: by a write and a read at most once a second, and by the outcomes of other
    /// jobs.
    pub async fn health(&self, patience: Duration) -> Health {
        self.probe.look(&self.watch, self.exercise(), patience).await
    }

    /// Writes, and then reads: the write makes SQLite's readers forget the pages that they have cached. `watch` has the failures.
    async fn exercise(&self) {
        let _ = self.write(count_up).await;
        let _ = self.read(look_at_tables).await;
    }

    fn late(&self, access: Access) -> StoreError {
        let late = StoreError::timeout();
        self.watch.failed(access, &late);
        late
    }

    /// Returns the time of the database's machine, in unix seconds; `None` if that is this machine (SQLite).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn time(&self) -> Result<Option<i64>, StoreError> {
        self.read(time).await
    }

    async fn on_pool<T, E>(
        &self,
        access: Access,
        job: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: JobError,
    {
        let permits = Arc::clone(&self.permits);
        let work = async move {
            // There are at most as many blocking threads as connections; other jobs wait here.
            let permit = permits.acquire_owned().await.map_err(|_| StoreError::closed())?;
            let run = move || {
                let result = job();
                drop(permit);
                result
            };
            tokio::task::spawn_blocking(run)
                .await
                .map_err(|_| StoreError::Query("a query panicked".to_owned()))?
        };
        match tokio::time::timeout(self.timeout, work).await {
            Ok(result) => result,
            Err(_) => Err(self.late(access).into()),
        }
    }
}
