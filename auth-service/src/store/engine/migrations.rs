//! Brings the tables up to date, and refuses tables that this program cannot work with.
//!
//! Replicas are upgraded one by one, so an older program may meet a newer database. That is fine as long as every
//! migration that it does not know is marked as additive (`NNNN-additive_…`, see `migrations/README.md`).

use diesel::connection::SimpleConnection as _;
use diesel::migration::{Migration as _, MigrationSource, MigrationVersion};
use diesel::{QueryableByName, RunQueryDsl as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use crate::store::engine::connection::{Connection, MultiBackend, transaction};
use crate::store::engine::tables;
use crate::store::error::StoreError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/auth");

/// The end of the version of a migration that older programs can work with.
const ADDITIVE: &str = "additive";

/// PostgreSQL's advisory lock for migrations. Any number, the same in all versions of the program.
const LOCK: i64 = 0x6175_7468;

/// Applies the missing migrations. Of several processes that start together, one applies them and the others wait.
///
/// # Errors
/// [`StoreError::Schema`] when the database is newer than this program and one of the migrations that it does not know is not additive.
pub(in crate::store) fn run(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    alone(connection, |connection| {
        refuse_newer(connection)?;
        let applied = connection.run_pending_migrations(MIGRATIONS).map_err(failed)?;
        Ok(applied.iter().map(ToString::to_string).collect())
    })
}

/// A migration to be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its version.
    pub version: String,
    /// Whether programs that do not know it can work with it, and so without it.
    pub additive: bool,
}

/// Undoes the newest `count` migrations, with the data in their tables, if `check` agrees. No other process migrates between the
/// check and the end.
///
/// # Errors
/// That of `check`; [`StoreError::Schema`] if one of the migrations is unknown.
pub(in crate::store) fn revert<E: From<StoreError>>(
    connection: &mut Connection,
    count: usize,
    check: impl FnOnce(&mut Connection, &[Planned]) -> Result<(), E>,
) -> Result<Vec<String>, E> {
    alone(connection, |connection| {
        let plan: Vec<Planned> = newest(connection)?.into_iter().take(count).collect();
        check(connection, &plan)?;
        let mut reverted = Vec::new();
        for _ in &plan {
            reverted.push(connection.revert_last_migration(MIGRATIONS).map_err(failed)?.to_string());
        }
        Ok(reverted)
    })
}

/// Whether any version of this program has created tables in the database.
pub(in crate::store) fn were_applied(connection: &mut Connection) -> Result<bool, StoreError> {
    Ok(tables::has(connection, tables::MIGRATIONS)? && !applied(connection)?.is_empty())
}

/// Returns what the database lacks of what this program needs: tables by name, and migrations that were reverted.
///
/// # Errors
/// The database's.
pub fn missing(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    let absent = tables::absent(connection)?;
    if !absent.is_empty() {
        return Ok(absent.into_iter().map(str::to_owned).collect());
    }
    Ok(pending(connection)?.into_iter().map(|version| format!("migration {version}")).collect())
}

/// The migrations of this program that the database does not have. The caller knows that [`tables::MIGRATIONS`] is there.
fn pending(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    let applied = applied(connection)?;
    let known = MigrationSource::<MultiBackend>::migrations(&MIGRATIONS).map_err(failed)?;
    let known = known.iter().map(|migration| migration.name().version().to_string());
    Ok(known.filter(|version| !applied.contains(version)).collect())
}

/// Returns the applied migrations, the newest first.
fn newest(connection: &mut Connection) -> Result<Vec<Planned>, StoreError> {
    let mut versions: Vec<String> =
        connection.applied_migrations().map_err(failed)?.iter().map(ToString::to_string).collect();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    let planned = |version: String| Planned { additive: version.ends_with(ADDITIVE), version };
    Ok(versions.into_iter().map(planned).collect())
}

/// Returns the versions of the applied migrations. Diesel's own query would create a missing table.
fn applied(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    let query = diesel::sql_query(format!("SELECT version FROM {}", tables::MIGRATIONS));
    let versions: Vec<Version> = match connection {
        Connection::Sqlite(sqlite) => query.load(sqlite)?,
        Connection::Postgres(postgres) => query.load(postgres)?,
    };
    Ok(versions.into_iter().map(|row| row.version).collect())
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = diesel::sql_types::Text)]
    version: String,
}

/// Runs `job` in one transaction, alone: an unfinished migration leaves nothing behind.
fn alone<T, E: From<StoreError>>(
    connection: &mut Connection,
    job: impl FnOnce(&mut Connection) -> Result<T, E>,
) -> Result<T, E> {
    // A migration may take longer than a request.
    match connection {
        Connection::Sqlite(sqlite) => sqlite.batch_execute("PRAGMA busy_timeout = 600000"),
        Connection::Postgres(postgres) => postgres.batch_execute("SET statement_timeout = 0"),
    }
    .map_err(StoreError::from)?;
    transaction(connection, |connection| {
        if let Connection::Postgres(postgres) = connection {
            let lock = postgres.batch_execute(&format!("SELECT pg_advisory_xact_lock({LOCK})"));
            lock.map_err(StoreError::from)?;
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
