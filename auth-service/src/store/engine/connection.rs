//! Connections and transactions of either database.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager};
use diesel::dsl::sql;
use diesel::result::{Error, QueryResult};
use diesel::sql_types::BigInt;
use diesel::{Connection as _, ConnectionError, PgConnection, RunQueryDsl as _, SqliteConnection};
use secrecy::{ExposeSecret as _, SecretString};

use crate::store::engine::postgres_url;
use crate::store::error::StoreError;

mod any {
    use diesel::prelude::*;

    /// A connection to either database; every query is written once, against this.
    #[derive(diesel::MultiConnection)]
    #[expect(missing_docs, reason = "the variants are the databases")]
    pub enum AnyConnection {
        Sqlite(SqliteConnection),
        Postgres(PgConnection),
    }
}
pub use any::AnyConnection as Connection;
pub(in crate::store) use any::MultiBackend;

type Manager = <Connection as diesel::Connection>::TransactionManager;

/// A database by its URL.
#[derive(Debug, Clone)]
pub(in crate::store) enum Database {
    Sqlite { path: String, busy: Duration },
    Postgres { url: SecretString, timeout: Duration },
}

impl Database {
    pub(in crate::store) fn parse(url: &SecretString, timeout: Duration) -> Result<Self, StoreError> {
        let text = url.expose_secret();
        if let Some(path) = text.strip_prefix("sqlite://") {
            Ok(Self::Sqlite { path: path.to_owned(), busy: timeout })
        } else if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            postgres_url::check(text).map_err(StoreError::Url)?;
            let url = postgres_url::with_connect_timeout(text, timeout).into();
            Ok(Self::Postgres { url, timeout })
        } else {
            Err(StoreError::Url("must start with sqlite:// or postgres://"))
        }
    }

    /// Whether it is a file that does not exist, or is empty.
    pub(in crate::store) fn is_absent(&self) -> bool {
        match self {
            Self::Sqlite { path, .. } => std::fs::metadata(path).map_or_else(
                |error| error.kind() == std::io::ErrorKind::NotFound,
                |file| file.is_file() && file.len() == 0,
            ),
            Self::Postgres { .. } => false,
        }
    }

    /// Diesel's own `establish` on the enum would try SQLite first for any URL, and hide the error.
    pub(in crate::store) fn connect(&self) -> Result<Connection, StoreError> {
        match self {
            Self::Sqlite { path, busy } => {
                let failed = |error: ConnectionError| StoreError::Unavailable(error.to_string());
                let mut connection = SqliteConnection::establish(path).map_err(failed)?;
                // The timeout comes first, because switching to WAL takes a lock. FULL: answered writes survive a power cut. A
                // checkpoint per 16 MiB: in a large database more pages are written once instead of twice.
                let pragmas = format!(
                    "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                     PRAGMA wal_autocheckpoint = 4000; PRAGMA foreign_keys = ON;",
                    busy.as_millis()
                );
                patiently(*busy, || connection.batch_execute(&pragmas))?;
                Ok(Connection::Sqlite(connection))
            }
            Self::Postgres { url, timeout } => {
                let failed = |error| StoreError::Unavailable(reason(error));
                let mut connection = PgConnection::establish(url.expose_secret()).map_err(failed)?;
                connection.batch_execute(&format!("SET statement_timeout = {}", timeout.as_millis()))?;
                Ok(Connection::Postgres(connection))
            }
        }
    }
}

/// Returns why there is no connection to PostgreSQL, without parts of the URL that could be the password.
fn reason(error: ConnectionError) -> String {
    match error {
        ConnectionError::BadConnection(reason) => postgres_url::public_text(&reason),
        ConnectionError::CouldntSetupConfiguration(error) => error.to_string(),
        _ => "database_url is not accepted".to_owned(),
    }
}

pub(in crate::store) fn ping(connection: &mut Connection) -> Result<(), StoreError> {
    Ok(connection.batch_execute("SELECT 1")?)
}

/// Repeats `job` while SQLite reports a lock: while another process creates or removes the WAL, it does so without waiting for
/// the timeout.
fn patiently(busy: Duration, mut job: impl FnMut() -> QueryResult<()>) -> QueryResult<()> {
    let begin = Instant::now();
    loop {
        match job() {
            Err(Error::DatabaseError(_, info))
                if info.message().contains("locked") && begin.elapsed() < busy =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            done => return done,
        }
    }
}

/// SQLite: writes the whole WAL into the database and empties it. Does nothing while another process reads or writes.
pub(in crate::store) fn checkpoint(connection: &mut Connection) -> Result<(), StoreError> {
    if let Connection::Sqlite(sqlite) = connection {
        sqlite.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?;
    }
    Ok(())
}

/// Returns the time of PostgreSQL's machine, in unix seconds; `None` for SQLite, which is on this machine.
///
/// # Errors
/// The database's.
pub fn time(connection: &mut Connection) -> Result<Option<i64>, StoreError> {
    match connection {
        Connection::Sqlite(_) => Ok(None),
        Connection::Postgres(postgres) => {
            let now = sql::<BigInt>("floor(extract(epoch FROM clock_timestamp()))::bigint");
            Ok(Some(diesel::select(now).get_result(postgres)?))
        }
    }
}

pub(in crate::store) fn begin(connection: &mut Connection) -> Result<(), StoreError> {
    match connection {
        // A deferred transaction that turns from reading to writing fails with "locked" at once, whatever the timeout.
        Connection::Sqlite(sqlite) => {
            AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE")
        }
        Connection::Postgres(postgres) => AnsiTransactionManager::begin_transaction_sql(postgres, "BEGIN"),
    }
    .map_err(StoreError::from)
}

pub(in crate::store) fn commit(connection: &mut Connection) -> Result<(), StoreError> {
    if let Connection::Postgres(postgres) = connection {
        // PostgreSQL answers COMMIT with success although it rolls back, if an error inside was ignored. It refuses
        // every other statement in that state, so ask for one first.
        postgres.batch_execute("SELECT 1").inspect_err(|_| roll_back(connection))?;
    }
    Ok(Manager::commit_transaction(connection)?)
}

/// Rolls back all open levels; after a panic there may be several.
pub(in crate::store) fn roll_back(connection: &mut Connection) {
    while let Ok(Some(_)) = Manager::transaction_manager_status_mut(connection).transaction_depth() {
        if Manager::rollback_transaction(connection).is_err() {
            break; // the connection is broken, and the pool discards it
        }
    }
}

/// Whether the connection can be used again.
pub(in crate::store) fn is_broken(connection: &mut Connection) -> bool {
    Manager::is_broken_transaction_manager(connection)
}

/// Runs `job` in a transaction of its own. Commits after `Ok`; rolls back after `Err` and after a panic.
pub(in crate::store) fn transaction<T, E: From<StoreError>>(
    connection: &mut Connection,
    job: impl FnOnce(&mut Connection) -> Result<T, E>,
) -> Result<T, E> {
    begin(connection)?;
    run_begun(connection, job)
}

/// Does the same on a connection on which a transaction has begun.
pub(in crate::store) fn run_begun<T, E: From<StoreError>>(
    connection: &mut Connection,
    job: impl FnOnce(&mut Connection) -> Result<T, E>,
) -> Result<T, E> {
    match catch_unwind(AssertUnwindSafe(|| job(connection))) {
        Ok(Ok(value)) => {
            commit(connection)?;
            Ok(value)
        }
        Ok(Err(error)) => {
            roll_back(connection);
            Err(error)
        }
        Err(panic) => {
            roll_back(connection);
            resume_unwind(panic)
        }
    }
}
