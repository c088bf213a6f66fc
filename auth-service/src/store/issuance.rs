//! The `issuance` table: one row that all replicas share about the tokens they issue.

use diesel::prelude::*;

use crate::store::engine::connection::{Connection, MultiBackend};
use crate::store::error::StoreError;
use crate::store::schema::issuance::dsl;

/// The one row.
const ID: i64 = 1;

/// What all replicas share.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = crate::store::schema::issuance, check_for_backend(MultiBackend))]
pub struct Issuance {
    /// Part of every refresh token's HMAC: tokens of an earlier epoch are refused.
    pub epoch: i64,
    /// Rises when the set of keys changes.
    pub keys_revision: i64,
    /// The first status list index that no process has leased.
    #[diesel(column_name = next_number)]
    pub next_status_index: i64,
    /// The longest lifetime that access tokens ever had here, in seconds.
    pub longest_access_ttl: i64,
    /// The random name of this database; `None` before its first start with a program that gives it one.
    pub database_id: Option<String>,
    /// The issuer of the tokens; `None` before the first start of a server that stores it.
    pub issuer: Option<String>,
}

/// # Errors
/// The database's.
pub fn read(connection: &mut Connection) -> Result<Issuance, StoreError> {
    Ok(dsl::issuance.find(ID).select(Issuance::as_select()).first(connection)?)
}

/// Holds the row until the transaction ends: one transaction at a time changes keys or master keys.
///
/// # Errors
/// The database's.
pub fn hold(connection: &mut Connection) -> Result<(), StoreError> {
    // An update that changes nothing, not a read, so that it holds on PostgreSQL as well.
    diesel::update(dsl::issuance.find(ID)).set(dsl::epoch.eq(dsl::epoch)).execute(connection)?;
    Ok(())
}

/// Raises the revision of the keys, and holds the row until the transaction ends: one transaction at a time changes keys.
///
/// # Errors
/// The database's.
pub fn raise_keys_revision(connection: &mut Connection) -> Result<(), StoreError> {
    let row = dsl::issuance.find(ID);
    diesel::update(row).set(dsl::keys_revision.eq(dsl::keys_revision + 1)).execute(connection)?;
    Ok(())
}

/// Stores the name of the database, unless it has one.
///
/// # Errors
/// The database's.
pub fn name_database(connection: &mut Connection, name: &str) -> Result<(), StoreError> {
    let nameless = dsl::issuance.filter(dsl::id.eq(ID).and(dsl::database_id.is_null()));
    diesel::update(nameless).set(dsl::database_id.eq(name)).execute(connection)?;
    Ok(())
}

/// Stores the issuer of the tokens.
///
/// # Errors
/// The database's.
pub fn set_issuer(connection: &mut Connection, issuer: &str) -> Result<(), StoreError> {
    diesel::update(dsl::issuance.find(ID)).set(dsl::issuer.eq(issuer)).execute(connection)?;
    Ok(())
}

/// Starts to count revisions of the keys at `revision`, unless that has begun.
///
/// # Errors
/// The database's.
pub fn begin_keys_revision(connection: &mut Connection, revision: i64) -> Result<(), StoreError> {
    let untouched = dsl::issuance.filter(dsl::id.eq(ID).and(dsl::keys_revision.eq(0)));
    diesel::update(untouched).set(dsl::keys_revision.eq(revision)).execute(connection)?;
    Ok(())
}

/// Leases the next `count` status list indexes to the caller. Returns the first of them.
///
/// # Errors
/// The database's.
pub fn lease_status_indexes(connection: &mut Connection, count: i64) -> Result<i64, StoreError> {
    let lease = diesel::update(dsl::issuance.find(ID)).set(dsl::next_number.eq(dsl::next_number + count));
    let next: i64 = lease.returning(dsl::next_number).get_result(connection)?;
    Ok(next - count)
}

/// Stores for how many seconds access tokens live, if that is longer than ever before.
///
/// # Errors
/// The database's.
pub fn remember_access_ttl(connection: &mut Connection, ttl: i64) -> Result<(), StoreError> {
    let shorter = dsl::issuance.filter(dsl::id.eq(ID).and(dsl::longest_access_ttl.lt(ttl)));
    diesel::update(shorter).set(dsl::longest_access_ttl.eq(ttl)).execute(connection)?;
    Ok(())
}

/// What a recovery begins with.
#[derive(Debug, Clone, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = crate::store::schema::issuance)]
pub struct Beginning {
    /// Higher than any that was in force.
    pub epoch: i64,
    /// The first status list index that may be leased.
    #[diesel(column_name = next_number)]
    pub next_status_index: i64,
    /// A revision of the keys that was never reached before.
    pub keys_revision: i64,
    /// A name that no database ever had.
    pub database_id: String,
}

/// Begins a new epoch.
///
/// # Errors
/// The database's.
pub fn begin_epoch(connection: &mut Connection, beginning: &Beginning) -> Result<(), StoreError> {
    diesel::update(dsl::issuance.find(ID)).set(beginning).execute(connection)?;
    Ok(())
}
