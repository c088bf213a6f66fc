//! Brings the tables up to date, and says when this program and the tables do not fit.
//!
//! Replicas are upgraded one by one, so an older program may meet a newer database. That is fine as long as every
//! migration that it does not know is marked as additive (`NNNN-additive_…`, see `migrations/README.md`).

use diesel::connection::SimpleConnection as _;
use diesel::migration::{Migration as _, MigrationSource, MigrationVersion};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use super::connection::{Connection, MultiBackend, transaction};
use super::error::StoreError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/auth");

/// The end of the version of a migration that older programs can live with.
const ADDITIVE: &str = "additive";

/// Any number, as long as all programs use the same one: the lock that PostgreSQL keeps while somebody migrates.
const LOCK: i64 = 0x6175_7468;

/// Applies what is missing. Of several processes that start at once, one does it and the others wait.
///
/// # Errors
/// [`StoreError::Schema`] when the database is newer than this program in a way that it cannot live with.
pub(super) fn run(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    alone(connection, |connection| {
        refuse_newer(connection)?;
        let applied = connection.run_pending_migrations(MIGRATIONS).map_err(failed)?;
        Ok(applied.iter().map(ToString::to_string).collect())
    })
}

/// Undoes the newest `count` migrations, and what is stored in what they made.
///
/// # Errors
/// [`StoreError::Schema`] when one of them is not known here.
pub(super) fn revert(connection: &mut Connection, count: usize) -> Result<Vec<String>, StoreError> {
    alone(connection, |connection| {
        let mut reverted = Vec::new();
        for _ in 0..count.min(connection.applied_migrations().map_err(failed)?.len()) {
            reverted.push(connection.revert_last_migration(MIGRATIONS).map_err(failed)?.to_string());
        }
        Ok(reverted)
    })
}

/// One transaction around everything, alone: an unfinished migration leaves nothing.
fn alone<T>(
    connection: &mut Connection,
    job: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    // The limits of requests are not the limits of a migration.
    match connection {
        Connection::Sqlite(sqlite) => sqlite.batch_execute("PRAGMA busy_timeout = 600000")?,
        Connection::Postgres(postgres) => postgres.batch_execute("SET statement_timeout = 0")?,
    }
    transaction(connection, |connection| {
        if let Connection::Postgres(postgres) = connection {
            postgres.batch_execute(&format!("SELECT pg_advisory_xact_lock({LOCK})"))?;
        }
        job(connection)
    })
}

fn refuse_newer(connection: &mut Connection) -> Result<(), StoreError> {
    let known = MigrationSource::<MultiBackend>::migrations(&MIGRATIONS).map_err(failed)?;
    let known: Vec<MigrationVersion<'_>> = known.iter().map(|migration| migration.name().version()).collect();
    let applied = connection.applied_migrations().map_err(failed)?;
    let stranger =
        applied.iter().find(|version| !known.contains(version) && !version.to_string().ends_with(ADDITIVE));
    match stranger {
        None => Ok(()),
        Some(version) => Err(StoreError::Schema(format!(
            "the database is newer than this program: it has the migration {version}, which auth-service {} does not \
             know and which is not marked as additive",
            env!("CARGO_PKG_VERSION")
        ))),
    }
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError::Schema(format!("the migrations failed: {error}"))
}
