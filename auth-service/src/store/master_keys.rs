//! The `master_keys` table: keyed digests of the master keys that were in use, in order.

use diesel::dsl::max;
use diesel::prelude::*;

use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;
use crate::store::schema::master_keys::dsl;

/// Ids of all master keys, the oldest first.
///
/// # Errors
/// The database's.
pub fn all(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    Ok(dsl::master_keys.order(dsl::number).select(dsl::id).load(connection)?)
}

/// The newest master key; `None` before the first one is added.
///
/// # Errors
/// The database's.
pub fn newest(connection: &mut Connection) -> Result<Option<String>, StoreError> {
    let query = dsl::master_keys.order(dsl::number.desc()).select(dsl::id);
    Ok(query.first(connection).optional()?)
}

/// Makes this master key the newest one.
///
/// # Errors
/// [`StoreError::Conflict`] when another process added one at this moment.
pub fn put_last(connection: &mut Connection, id: &str) -> Result<(), StoreError> {
    diesel::delete(dsl::master_keys.find(id)).execute(connection)?;
    let last: Option<i64> = dsl::master_keys.select(max(dsl::number)).first(connection)?;
    diesel::insert_into(dsl::master_keys)
        .values((dsl::id.eq(id), dsl::number.eq(last.unwrap_or(0).saturating_add(1))))
        .execute(connection)?;
    Ok(())
}
