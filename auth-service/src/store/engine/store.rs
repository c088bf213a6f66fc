//! The database as the rest of the program has it: reads, transactions, and how it is.

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
use crate::store::error::StoreError;

/// How much the store may do at once, and how long a caller waits for it.
#[derive(Debug, Clone, Copy)]
pub struct StoreLimits {
    /// Connections that read (SQLite) or read and write (PostgreSQL).
    pub pool_size: u32,
    /// After this long a caller is told that the store is away.
    pub timeout: Duration,
    /// SQLite: writes that may wait for the one writer.
    pub write_queue: usize,
    /// SQLite: writes that are committed together at the most.
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

    /// Whether a server at `url` takes a connection right now. A file is not waited for.
    ///
    /// # Errors
    /// Why it takes none; [`StoreError::Unavailable`] when another try may succeed.
    pub fn try_connect(url: &SecretString, limits: StoreLimits) -> Result<(), StoreError> {
        match Database::parse(url, limits.timeout)? {
            Database::Sqlite { .. } => Ok(()),
            server @ Database::Postgres { .. } => server.connect().map(drop),
        }
    }

    /// Closes the database when nothing is asked of it any more. SQLite's write-ahead log is written into the file and, unless
    /// another process has it open, deleted.
    pub async fn close(&self) {
        self.pool.close();
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
    }

    /// Runs `inspection` on each connection that is made from now on, before anything else does: after a failure the next
    /// connection may lead to another copy of the database. One that it refuses is not used.
    pub fn inspect(
        &self,
        inspection: impl Fn(&mut Connection) -> Result<(), StoreError> + Send + Sync + 'static,
    ) {
        self.connector.inspect(inspection);
    }

    /// Opens the database at `url` if there is one: `None` where no program has made tables. Nothing is made then.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_existing(url: &SecretString, limits: StoreLimits) -> Result<Option<Self>, StoreError> {
        if Self::exists(url, limits)? { Self::open(url, limits).map(Some) } else { Ok(None) }
    }

    /// Whether there is a database at `url` in which a program has made tables.
    ///
    /// # Errors
    /// It cannot be reached, or is not a database.
    pub fn exists(url: &SecretString, limits: StoreLimits) -> Result<bool, StoreError> {
        let database = Database::parse(url, limits.timeout)?;
        // To connect would make the file.
        if database.is_absent() {
            return Ok(false);
        }
        migrations::were_applied(&mut database.connect()?)
    }

    /// Undoes the newest `count` migrations of the database at `url`, and what is stored in what they made, if `check`
    /// agrees to that plan, in the same transaction. Gives their versions.
    ///
    /// # Errors
    /// What `check` says; the database cannot be reached, or one of the migrations is not known to this program.
    pub fn revert<E: From<StoreError>>(
        url: &SecretString,
        count: usize,
        limits: StoreLimits,
        check: impl FnOnce(&mut Connection, &[Planned]) -> Result<(), E>,
    ) -> Result<Vec<String>, E> {
        migrations::revert(&mut Database::parse(url, limits.timeout)?.connect()?, count, check)
    }

    /// Runs queries that only read. What they see together is consistent only within one query.
    ///
    /// # Errors
    /// The job's own, or [`StoreError::Unavailable`] when the database did not answer in time.
    pub async fn read<T, E>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let pool = self.pool.clone();
        self.on_pool(Access::Read, move || pool.read(job)).await
    }

    /// Runs a transaction: all of the job is durable when this returns `Ok`, and none of it after an `Err`.
    ///
    /// An error that the job means to survive must stand in a savepoint (`connection.transaction(…)`), because
    /// PostgreSQL gives up the whole transaction at the first error.
    ///
    /// # Errors
    /// The job's own, or [`StoreError::Unavailable`] when it could not be made durable in time. In the second case the
    /// outcome is unknown: the job may still be committed.
    pub async fn write<T, E>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
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

    /// Finds out how the database is, within `patience`. It is asked, and written to, at most once a second; what other jobs met
    /// counts as well.
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

    /// What time the database's machine has, in unix seconds; `None` when it is this machine (SQLite).
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
        E: From<StoreError> + Send + 'static,
    {
        let permits = Arc::clone(&self.permits);
        let work = async move {
            // Blocking threads are taken only for as many jobs as there are connections; the others wait here.
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
