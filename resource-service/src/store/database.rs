//! The SQLite database of this service.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use diesel::result::Error;
use diesel::{Connection as _, QueryResult, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use service_kit::causes;
use tokio::sync::Semaphore;

use super::error::StoreError;

/// The pause between two attempts to set up a connection.
const PAUSE: Duration = Duration::from_millis(10);

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/resource");

type Connections = Pool<ConnectionManager<SqliteConnection>>;

/// The database. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    /// `None` after the database was closed.
    pool: Arc<RwLock<Option<Connections>>>,
    readers: Arc<Semaphore>,
    /// SQLite takes one writer at a time. Writers wait here, in order, and not in SQLite, where late ones starve.
    writer: Arc<Semaphore>,
    timeout: Duration,
}

impl Store {
    /// Opens the database file at `path`, and brings its tables up to date.
    ///
    /// # Errors
    /// The file cannot be opened, or a migration fails.
    pub(crate) fn open(path: &str, pool_size: u32, timeout: Duration) -> Result<Self, StoreError> {
        let pragmas = Pragmas { timeout };
        migrate(path, &pragmas)?;
        let pool = Pool::builder()
            .max_size(pool_size + 1) // readers and the writer
            .min_idle(Some(0)) // made only on demand: one that is being made would outlive `close`, and keep the WAL
            .test_on_check_out(false) // a file does not disconnect
            .connection_timeout(timeout)
            .connection_customizer(Box::new(pragmas))
            .build(ConnectionManager::new(path))?;
        let readers = Arc::new(Semaphore::new(pool_size as usize));
        Ok(Self {
            pool: Arc::new(RwLock::new(Some(pool))),
            readers,
            writer: Arc::new(Semaphore::new(1)),
            timeout,
        })
    }

    /// Writes SQLite's write-ahead log into the file and closes the database: unless another process has it open, the log is
    /// deleted.
    pub(crate) async fn close(&self) {
        let emptied = self.write(|db| db.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")).await;
        if let Err(error) = emptied {
            log::warn!("the write-ahead log was not written into the database: {}", causes(&error));
        }
        let pool = self.pool.write().unwrap_or_else(PoisonError::into_inner).take();
        let _ = tokio::task::spawn_blocking(move || drop(pool)).await; // an error means that the runtime is ending
    }

    /// Runs queries that only read.
    ///
    /// # Errors
    /// The database failed, or did not answer in time.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(&self.readers, job).await
    }

    /// Runs one statement that writes; it is durable when this returns `Ok`. After an `Err` its outcome is unknown.
    ///
    /// # Errors
    /// The database failed, or did not answer in time.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(&self.writer, job).await
    }

    async fn run<T: Send + 'static>(
        &self,
        permits: &Arc<Semaphore>,
        job: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let pool = self.pool.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (pool, permits) = (pool.ok_or(StoreError::Closed)?, Arc::clone(permits));
        let work = async move {
            let permit = permits.acquire_owned().await.map_err(|_| StoreError::Closed)?;
            // The permit is held by the job, which runs to its end even if no request waits for it any more.
            let run = move || {
                let _permit = permit;
                Ok(job(&mut *pool.get()?)?)
            };
            tokio::task::spawn_blocking(run).await?
        };
        tokio::time::timeout(self.timeout, work).await?
    }
}

/// Sets up each connection.
#[derive(Debug)]
struct Pragmas {
    timeout: Duration,
}

impl Pragmas {
    /// Sets the time-out first, because switching to WAL takes a lock as well. `FULL`: what was answered survives a power cut.
    fn apply(&self, connection: &mut SqliteConnection) -> QueryResult<()> {
        let pragmas = format!(
            "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
            self.timeout.as_millis()
        );
        let begin = Instant::now();
        loop {
            match connection.batch_execute(&pragmas) {
                // While another process creates or removes the WAL, SQLite fails at once, without waiting for the time-out.
                Err(Error::DatabaseError(_, info))
                    if info.message().contains("locked") && begin.elapsed() < self.timeout =>
                {
                    std::thread::sleep(PAUSE);
                }
                done => return done,
            }
        }
    }
}

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for Pragmas {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        self.apply(connection).map_err(diesel::r2d2::Error::QueryError)
    }
}

/// Applies migrations in one transaction that holds the write lock from its start, so that of two processes that start at the same
/// time, one waits.
fn migrate(path: &str, pragmas: &Pragmas) -> Result<(), StoreError> {
    let mut connection = SqliteConnection::establish(path)?;
    pragmas.apply(&mut connection)?;
    connection.immediate_transaction(|connection| {
        let applied = connection.run_pending_migrations(MIGRATIONS).map_err(StoreError::Migration)?;
        for version in applied {
            log::info!("applied migration {version}");
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_start_at_the_same_time_do_not_race_on_migrations() {
        for _ in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("resource.db").display().to_string();
            std::thread::scope(|scope| {
                for _ in 0..6 {
                    scope.spawn(|| Store::open(&path, 1, Duration::from_secs(10)).unwrap());
                }
            });
        }
    }
}
