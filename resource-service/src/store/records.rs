//! The `records` table.

use diesel::prelude::*;

use super::ids::{new_id, seconds};
use super::schema::records::dsl;

/// A text that belongs to one user.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = super::schema::records, check_for_backend(diesel::sqlite::Sqlite))]
pub(crate) struct Record {
    /// `UUIDv7`: later ids are greater.
    pub(crate) id: String,
    /// The `sub` of the owner's tokens.
    pub(crate) user_id: String,
    /// 1 to 2000 characters.
    pub(crate) text: String,
    /// Unix seconds.
    pub(crate) created_at: i64,
}

impl Record {
    /// Returns a record made at `now`, in unix seconds.
    pub(crate) fn new(user_id: String, text: String, now: u64) -> Self {
        Self { id: new_id(), user_id, text, created_at: seconds(now) }
    }
}

/// Adds a record.
pub(crate) fn insert(connection: &mut SqliteConnection, record: &Record) -> QueryResult<()> {
    diesel::insert_into(dsl::records).values(record).execute(connection)?;
    Ok(())
}

/// Returns at most `limit` records of a user that are older than the one with the id `before`, the newest first.
pub(crate) fn newest(
    connection: &mut SqliteConnection,
    user_id: &str,
    before: Option<&str>,
    limit: i64,
) -> QueryResult<Vec<Record>> {
    let mut query = dsl::records.select(Record::as_select()).filter(dsl::user_id.eq(user_id)).into_boxed();
    if let Some(before) = before {
        query = query.filter(dsl::id.lt(before));
    }
    query.order(dsl::id.desc()).limit(limit).load(connection)
}

/// Returns the number of records of all users.
pub(crate) fn count(connection: &mut SqliteConnection) -> QueryResult<i64> {
    dsl::records.count().get_result(connection)
}
