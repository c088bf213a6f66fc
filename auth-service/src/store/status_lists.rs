//! The `status_lists` table: which lists are published, and how often each has changed.

use diesel::prelude::*;

use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;
use crate::store::schema::status_lists::dsl;

/// Every list that is published, with its revision, in the order of their ids.
///
/// # Errors
/// The database's.
pub fn all(connection: &mut Connection) -> Result<Vec<(i64, i64)>, StoreError> {
    Ok(dsl::status_lists.order(dsl::id).select((dsl::id, dsl::revision)).load(connection)?)
}

/// Publishes a list, unless it is, with this revision to begin with. The caller holds the `issuance` row, so no other
/// process does the same.
///
/// # Errors
/// The database's.
pub fn publish(connection: &mut Connection, id: i64, revision: i64) -> Result<(), StoreError> {
    let found: Option<i64> = dsl::status_lists.find(id).select(dsl::id).first(connection).optional()?;
    if found.is_none() {
        diesel::insert_into(dsl::status_lists)
            .values((dsl::id.eq(id), dsl::revision.eq(revision)))
            .execute(connection)?;
    }
    Ok(())
}

/// Raises the revision of a list.
///
/// # Errors
/// The database's.
pub fn raise(connection: &mut Connection, id: i64) -> Result<(), StoreError> {
    let list = dsl::status_lists.find(id);
    diesel::update(list).set(dsl::revision.eq(dsl::revision + 1)).execute(connection)?;
    Ok(())
}

/// Stores that no more indexes of the lists before `id` are leased.
///
/// # Errors
/// The database's.
pub fn leave(connection: &mut Connection, id: i64, now: i64) -> Result<(), StoreError> {
    let passed = dsl::status_lists.filter(dsl::id.lt(id).and(dsl::left_at.is_null()));
    // One by one in the order of their ids, like every transaction that changes several lists.
    let passed: Vec<i64> = passed.order(dsl::id).select(dsl::id).load(connection)?;
    for id in passed {
        diesel::update(dsl::status_lists.find(id)).set(dsl::left_at.eq(now)).execute(connection)?;
    }
    Ok(())
}

/// The lists of which no indexes are leased since `before`.
///
/// # Errors
/// The database's.
pub fn left_before(connection: &mut Connection, before: i64) -> Result<Vec<i64>, StoreError> {
    Ok(dsl::status_lists.filter(dsl::left_at.lt(before)).select(dsl::id).load(connection)?)
}

/// Removes a list from those that are published.
///
/// # Errors
/// The database's.
pub fn drop_list(connection: &mut Connection, id: i64) -> Result<(), StoreError> {
    diesel::delete(dsl::status_lists.find(id)).execute(connection)?;
    Ok(())
}

/// Removes all lists.
///
/// # Errors
/// The database's.
pub fn drop_all(connection: &mut Connection) -> Result<(), StoreError> {
    diesel::delete(dsl::status_lists).execute(connection)?;
    Ok(())
}
