//! The `revocations` table: status list indexes whose access tokens are refused, each until the last such token has expired.

use std::ops::Range;

use diesel::prelude::*;

use crate::store::engine::connection::Connection;
use crate::store::engine::locks;
use crate::store::error::StoreError;
use crate::store::schema::revocations::dsl;

/// Revokes a status list index until `until`, in unix seconds.
///
/// # Errors
/// [`StoreError::Conflict`] when it is revoked already.
pub fn insert(connection: &mut Connection, index: i64, until: i64) -> Result<(), StoreError> {
    let row = (dsl::number.eq(index), dsl::until.eq(until));
    diesel::insert_into(dsl::revocations).values(row).execute(connection)?;
    Ok(())
}

/// The indexes among these that are revoked at the time `now`.
///
/// # Errors
/// The database's.
pub fn among(connection: &mut Connection, indexes: Range<i64>, now: i64) -> Result<Vec<i64>, StoreError> {
    let among = dsl::number.ge(indexes.start).and(dsl::number.lt(indexes.end));
    Ok(dsl::revocations.filter(among).filter(dsl::until.gt(now)).select(dsl::number).load(connection)?)
}

/// Whether any of these indexes is revoked or was.
///
/// # Errors
/// The database's.
pub fn any(connection: &mut Connection, indexes: Range<i64>) -> Result<bool, StoreError> {
    let among = dsl::number.ge(indexes.start).and(dsl::number.lt(indexes.end));
    let found: Option<i64> =
        dsl::revocations.filter(among).select(dsl::number).first(connection).optional()?;
    Ok(found.is_some())
}

/// Deletes revocations that have expired at the time `now`.
///
/// # Errors
/// The database's.
pub fn forget(connection: &mut Connection, now: i64) -> Result<usize, StoreError> {
    locks::revocations_in_order(connection, now)?;
    Ok(diesel::delete(dsl::revocations.filter(dsl::until.le(now))).execute(connection)?)
}

/// Deletes all revocations.
///
/// # Errors
/// The database's.
pub fn forget_all(connection: &mut Connection) -> Result<(), StoreError> {
    diesel::delete(dsl::revocations).execute(connection)?;
    Ok(())
}
