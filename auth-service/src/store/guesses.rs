//! The `guesses` table: how often passwords were guessed wrong.

use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::store::engine::connection::{Connection, MultiBackend};
use crate::store::error::StoreError;
use crate::store::schema::guesses::dsl;

/// A counter of login throttling. All times are unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = crate::store::schema::guesses, check_for_backend(MultiBackend), treat_none_as_null = true)]
pub struct Counter {
    /// A digest of what is counted.
    pub bucket: String,
    /// Wrong passwords, less those that have leaked away.
    pub failures: i64,
    /// Up to when they have leaked.
    pub counted_at: i64,
    /// Attempts that have begun.
    pub undecided: i64,
    /// From then on those count as failures.
    pub undecided_until: i64,
    /// No attempt is allowed before.
    pub next_at: i64,
    /// Until then the source is known to be the user's own.
    #[diesel(column_name = welcome_until)]
    pub trusted_until: i64,
    /// From then on the row may be deleted.
    pub forget_at: i64,
    /// When the first right password came; it counts until `trusted_until`.
    pub known_since: Option<i64>,
}

/// Locks the counter of `bucket` until the transaction ends; a new one when there is none.
///
/// # Errors
/// The database's.
pub fn hold(connection: &mut Connection, bucket: &str) -> Result<(), StoreError> {
    // The update changes nothing: it holds the row, also against who inserts it at the same time.
    let upsert = "INSERT INTO guesses \
         (bucket, failures, counted_at, undecided, undecided_until, next_at, welcome_until, forget_at) \
         VALUES ($1, 0, 0, 0, 0, 0, 0, 0) ON CONFLICT (bucket) DO UPDATE SET failures = guesses.failures";
    diesel::sql_query(upsert).bind::<Text, _>(bucket).execute(connection)?;
    Ok(())
}

/// The counter of `bucket`, as it was a moment ago.
///
/// # Errors
/// The database's.
pub fn find(connection: &mut Connection, bucket: &str) -> Result<Option<Counter>, StoreError> {
    Ok(dsl::guesses.find(bucket).select(Counter::as_select()).first(connection).optional()?)
}

/// Stores a counter that is locked.
///
/// # Errors
/// The database's.
pub fn put(connection: &mut Connection, counter: &Counter) -> Result<(), StoreError> {
    diesel::update(dsl::guesses.find(&counter.bucket)).set(counter).execute(connection)?;
    Ok(())
}

/// Deletes the counter of `bucket`, if there is one.
///
/// # Errors
/// The database's.
pub fn delete(connection: &mut Connection, bucket: &str) -> Result<(), StoreError> {
    diesel::delete(dsl::guesses.find(bucket)).execute(connection)?;
    Ok(())
}

/// Deletes at most `most` of those that may be forgotten at the time `now`, and says how many they were.
///
/// # Errors
/// The database's.
pub fn forget(connection: &mut Connection, now: i64, most: i64) -> Result<usize, StoreError> {
    let over = dsl::guesses.filter(dsl::forget_at.lt(now)).order(dsl::forget_at).limit(most);
    let mut buckets: Vec<String> = over.select(dsl::bucket).load(connection)?;
    buckets.sort_unstable(); // in the order in which others hold them
    let mut forgotten = 0;
    for bucket in buckets {
        let row = dsl::guesses.find(bucket).filter(dsl::forget_at.lt(now));
        forgotten += diesel::delete(row).execute(connection)?;
    }
    Ok(forgotten)
}
