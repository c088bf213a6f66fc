//! The order in which transactions take locks, and what PostgreSQL needs so that they keep to it.
//!
//! SQLite has one writer. On PostgreSQL two transactions that take the same locks in different orders wait for each other: after
//! a second the server aborts one of them (`deadlock detected`), and its client gets a `503`. So every transaction takes what it
//! needs of the following in this order, and may leave out any of it:
//!
//! | | lock | several of them |
//! | --- | --- | --- |
//! | 1 | rows of `guesses` | by bucket |
//! | 2 | the row of `issuance` | |
//! | 3 | the names of accounts: [`names_alone`] and [`names_beside_others`] | |
//! | 4 | rows of `users` | by id |
//! | 5 | rows of `sessions` | by id |
//! | 6 | rows of `clients` | by name |
//! | 7 | rows of `revocations` | by number |
//! | 8 | rows of `status_lists` | by id |
//! | 9 | rows of `keys` | only with lock 2 |
//! | 10 | rows of `audit_heads` | by number |
//!
//! Three things take locks that no statement names:
//!
//! - **Foreign keys.** A row of `sessions` that is inserted, or updated *twice in one transaction*, makes PostgreSQL lock its row
//!   of `users` (`FOR KEY SHARE`), which a rename excludes. A transaction that holds a session and not its account therefore
//!   updates the session once: a refresh rotates and numbers it in one statement.
//! - **Unique columns.** Who writes a name waits for everybody who is writing or leaving the same one, in whatever order names
//!   come: two accounts that swap names, two imports of the same file backwards. Nothing can sort that, hence lock 3.
//! - **Statements on several rows** lock them as the plan finds them, which changes with the statistics. [`sessions_in_order`] and
//!   the like lock the rows by their keys before.
//!
//! `auth-service recover` takes whole tables, and is for when no service runs. `tests/api/deadlocks.rs` holds the rest.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};

use super::connection::Connection;
use super::error::StoreError;

/// Any number but the one in `migrations.rs`, the same in all programs.
const NAMES: i64 = 0x6e61_6d65;

/// Which sessions of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    All,
    Open,
}

/// Lock 3, for a transaction that inserts one account: such ones do not wait for each other.
pub(super) fn names_beside_others(connection: &mut Connection) -> Result<(), StoreError> {
    lock_names(connection, "SELECT pg_advisory_xact_lock_shared($1)")
}

/// Lock 3, for a transaction that inserts several accounts, or gives one other names.
pub(super) fn names_alone(connection: &mut Connection) -> Result<(), StoreError> {
    lock_names(connection, "SELECT pg_advisory_xact_lock($1)")
}

fn lock_names(connection: &mut Connection, statement: &str) -> Result<(), StoreError> {
    if let Connection::Postgres(postgres) = connection {
        diesel::sql_query(statement).bind::<BigInt, _>(NAMES).execute(postgres)?;
    }
    Ok(())
}

/// Lock 5: the sessions of an account.
pub(super) fn sessions_in_order(
    connection: &mut Connection,
    user_id: &str,
    which: Which,
) -> Result<(), StoreError> {
    let Connection::Postgres(postgres) = connection else { return Ok(()) };
    let statement = match which {
        Which::All => "SELECT id FROM sessions WHERE user_id = $1 ORDER BY id FOR UPDATE",
        Which::Open => {
            "SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL ORDER BY id FOR NO KEY UPDATE"
        }
    };
    diesel::sql_query(statement).bind::<Text, _>(user_id).execute(postgres)?;
    Ok(())
}

/// Lock 5: these sessions, to be deleted.
pub(super) fn these_sessions_in_order(connection: &mut Connection, ids: &[String]) -> Result<(), StoreError> {
    if let Connection::Postgres(postgres) = connection {
        let statement = "SELECT id FROM sessions WHERE id = ANY($1) ORDER BY id FOR UPDATE";
        diesel::sql_query(statement).bind::<Array<Text>, _>(ids).execute(postgres)?;
    }
    Ok(())
}

/// Lock 7: the revocations that are over at the time `now`, to be deleted.
pub(super) fn revocations_in_order(connection: &mut Connection, now: i64) -> Result<(), StoreError> {
    if let Connection::Postgres(postgres) = connection {
        let statement = "SELECT number FROM revocations WHERE until <= $1 ORDER BY number FOR UPDATE";
        diesel::sql_query(statement).bind::<BigInt, _>(now).execute(postgres)?;
    }
    Ok(())
}
