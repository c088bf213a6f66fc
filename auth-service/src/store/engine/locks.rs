//! The order in which transactions take locks, and how PostgreSQL is made to keep to it.
//!
//! SQLite has one writer. On PostgreSQL two transactions that take the same locks in different orders wait for each other: after
//! a second the server aborts one of them (`deadlock detected`), and its client gets a `503`. So every transaction takes the locks
//! that it needs in this order:
//!
//! | | lock | several of them |
//! | --- | --- | --- |
//! | 1 | rows of `guesses` | by bucket |
//! | 2 | the row of `issuance` | |
//! | 3 | the names of accounts: [`names_alone`] and [`names_beside_others`] | |
//! | 4 | rows of `users` | by id |
//! | 5 | rows of `sessions` | by id |
//! | 6 | rows of `clients` | by name |
//! | 7 | rows of `stand_ins` | by slot |
//! | 8 | rows of `resting_names` | by digest, byte by byte |
//! | 9 | rows of `revocations` | by number |
//! | 10 | rows of `status_lists` | by id |
//! | 11 | rows of `keys` and `master_keys` | only with lock 2 |
//! | 12 | rows of `audit_heads` | by number |
//!
//! A transaction that changes several accounts therefore goes through them once for each kind of row, and revokes all their
//! status list indexes at its end.
//!
//! Three things take locks implicitly:
//!
//! - **Foreign keys.** A row of `sessions` that is inserted, or updated *twice in one transaction*, makes PostgreSQL lock its row
//!   of `users` (`FOR KEY SHARE`), which a rename excludes. A transaction that holds a session and not its account therefore
//!   updates the session once: a refresh rotates it and assigns its index in one statement. A row of `stand_ins` does the same, so
//!   the account is locked before it; and a transaction that deletes an account deletes its rows there.
//! - **Unique columns.** A transaction that writes a name waits for all others that are writing or giving up the same name, in
//!   whatever order: two accounts that swap names, or two imports of the same file, one backwards. Sorting cannot help, hence
//!   lock 3.
//! - **Statements on several rows** lock them in the order of the query plan, which changes with the statistics.
//!   [`sessions_in_order`] and similar functions lock the rows by their keys first.
//!
//! `auth-service recover` locks whole tables, and runs while no service does. `tests/api/deadlocks.rs` tests the rest.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};

use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;

/// Any number except the one in `migrations.rs`, the same in all versions of the program.
const NAMES: i64 = 0x6e61_6d65;

/// Which sessions of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Which {
    All,
    Open,
}

/// Lock 3, for a transaction that inserts one account. Such transactions do not wait for each other.
pub(in crate::store) fn names_beside_others(connection: &mut Connection) -> Result<(), StoreError> {
    lock_names(connection, "SELECT pg_advisory_xact_lock_shared($1)")
}

/// Lock 3, for a transaction that inserts several accounts, renames one, or removes an address.
pub(in crate::store) fn names_alone(connection: &mut Connection) -> Result<(), StoreError> {
    lock_names(connection, "SELECT pg_advisory_xact_lock($1)")
}

fn lock_names(connection: &mut Connection, statement: &str) -> Result<(), StoreError> {
    if let Connection::Postgres(postgres) = connection {
        diesel::sql_query(statement).bind::<BigInt, _>(NAMES).execute(postgres)?;
    }
    Ok(())
}

/// Lock 5: the sessions of these accounts.
pub(in crate::store) fn sessions_in_order(
    connection: &mut Connection,
    user_ids: &[&str],
    which: Which,
) -> Result<(), StoreError> {
    let Connection::Postgres(postgres) = connection else { return Ok(()) };
    let statement = match which {
        Which::All => "SELECT id FROM sessions WHERE user_id = ANY($1) ORDER BY id FOR UPDATE",
        Which::Open => {
            "SELECT id FROM sessions WHERE user_id = ANY($1) AND ended_at IS NULL ORDER BY id FOR NO KEY UPDATE"
        }
    };
    diesel::sql_query(statement).bind::<Array<Text>, _>(user_ids).execute(postgres)?;
    Ok(())
}

/// Lock 5: these sessions, to be deleted.
pub(in crate::store) fn these_sessions_in_order(
    connection: &mut Connection,
    ids: &[String],
) -> Result<(), StoreError> {
    if let Connection::Postgres(postgres) = connection {
        let statement = "SELECT id FROM sessions WHERE id = ANY($1) ORDER BY id FOR UPDATE";
        diesel::sql_query(statement).bind::<Array<Text>, _>(ids).execute(postgres)?;
    }
    Ok(())
}

/// Lock 4: an account that becomes a stand-in, so that it is not locked after its row in `stand_ins`.
pub(in crate::store) fn stand_in_account(
    connection: &mut Connection,
    user_id: &str,
) -> Result<(), StoreError> {
    if let Connection::Postgres(postgres) = connection {
        let statement = "SELECT id FROM users WHERE id = $1 FOR KEY SHARE";
        diesel::sql_query(statement).bind::<Text, _>(user_id).execute(postgres)?;
    }
    Ok(())
}

/// Locks 4 and 7: an account that is to be deleted, and the slots that it has.
pub(in crate::store) fn deleted_account(
    connection: &mut Connection,
    user_id: &str,
) -> Result<(), StoreError> {
    let Connection::Postgres(postgres) = connection else { return Ok(()) };
    for statement in [
        "SELECT id FROM users WHERE id = $1 FOR UPDATE",
        "SELECT slot FROM stand_ins WHERE user_id = $1 ORDER BY slot FOR UPDATE",
    ] {
        diesel::sql_query(statement).bind::<Text, _>(user_id).execute(postgres)?;
    }
    Ok(())
}

/// Lock 7: all slots.
pub(in crate::store) fn stand_ins_in_order(connection: &mut Connection) -> Result<(), StoreError> {
    if let Connection::Postgres(postgres) = connection {
        diesel::sql_query("SELECT slot FROM stand_ins ORDER BY slot FOR UPDATE").execute(postgres)?;
    }
    Ok(())
}

/// Lock 8: the resting names with these digests.
pub(in crate::store) fn resting_names_in_order(
    connection: &mut Connection,
    digests: &[String],
) -> Result<(), StoreError> {
    if let Connection::Postgres(postgres) = connection {
        let statement = r#"SELECT digest FROM resting_names WHERE digest = ANY($1) ORDER BY digest COLLATE "C" FOR UPDATE"#;
        diesel::sql_query(statement).bind::<Array<Text>, _>(digests).execute(postgres)?;
    }
    Ok(())
}

/// Lock 8: the names that rest for an account.
pub(in crate::store) fn own_resting_names_in_order(
    connection: &mut Connection,
    owner: &str,
) -> Result<(), StoreError> {
    if let Connection::Postgres(postgres) = connection {
        let statement =
            r#"SELECT digest FROM resting_names WHERE owner = $1 ORDER BY digest COLLATE "C" FOR UPDATE"#;
        diesel::sql_query(statement).bind::<Text, _>(owner).execute(postgres)?;
    }
    Ok(())
}

/// Lock 9: the revocations that are over at the time `now`, to be deleted.
pub(in crate::store) fn revocations_in_order(
    connection: &mut Connection,
    now: i64,
) -> Result<(), StoreError> {
    if let Connection::Postgres(postgres) = connection {
        let statement = "SELECT number FROM revocations WHERE until <= $1 ORDER BY number FOR UPDATE";
        diesel::sql_query(statement).bind::<BigInt, _>(now).execute(postgres)?;
    }
    Ok(())
}
