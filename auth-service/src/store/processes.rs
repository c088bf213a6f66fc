//! The `processes` table: which servers use the database, and when each was last seen.

use diesel::prelude::*;

use crate::store::engine::connection::Connection;
use crate::store::engine::tables;
use crate::store::error::StoreError;
use crate::store::schema::processes::dsl;

/// Ids of all servers, and when each was seen last, in unix seconds. None where the table is not there yet.
///
/// # Errors
/// The database's.
pub fn all(connection: &mut Connection) -> Result<Vec<(String, i64)>, StoreError> {
    if !tables::has(connection, "processes")? {
        return Ok(Vec::new());
    }
    Ok(dsl::processes.order(dsl::id).select((dsl::id, dsl::seen_at)).load(connection)?)
}

/// Stores that this server is alive at the time `now`.
///
/// # Errors
/// [`StoreError::Conflict`] if the server does so twice at the same time.
pub fn see(connection: &mut Connection, id: &str, now: i64) -> Result<(), StoreError> {
    let row = dsl::processes.find(id);
    if diesel::update(row).set(dsl::seen_at.eq(now)).execute(connection)? == 0 {
        diesel::insert_into(dsl::processes)
            .values((dsl::id.eq(id), dsl::seen_at.eq(now)))
            .execute(connection)?;
    }
    Ok(())
}

/// Deletes the rows of these servers.
///
/// # Errors
/// The database's.
pub fn forget(connection: &mut Connection, ids: &[String]) -> Result<(), StoreError> {
    diesel::delete(dsl::processes.filter(dsl::id.eq_any(ids))).execute(connection)?;
    Ok(())
}

/// Deletes every row.
///
/// # Errors
/// The database's.
pub fn forget_all(connection: &mut Connection) -> Result<(), StoreError> {
    diesel::delete(dsl::processes).execute(connection)?;
    Ok(())
}
