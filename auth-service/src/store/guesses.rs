//! The `guesses` table: counters of wrong passwords.

use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::store::engine::connection::{Connection, MultiBackend};
use crate::store::error::StoreError;
use crate::store::schema::guesses::dsl;

/// What is known about guesses of one kind. All times are unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, AsChangeset)]
#[diesel(table_name = crate::store::schema::guesses, check_for_backend(MultiBackend), treat_none_as_null = true)]
pub struct Tally {
    /// A digest of what is counted.
    pub bucket: String,
    /// Wrong passwords, without those that have leaked away.
    pub failures: i64,
    /// Up to when they have leaked.
    pub counted_at: i64,
    /// Attempts that have begun.
    pub undecided: i64,
    /// From then on those count as failures.
    pub undecided_until: i64,
    /// No attempt is accepted before.
    pub next_at: i64,
    /// Until then the source is known to be the user's own.
    pub welcome_until: i64,
    /// From then on the row may be deleted.
    pub forget_at: i64,
    /// When the first right password came; it counts until `welcome_until`.
    pub known_since: Option<i64>,
}

/// Holds the counter of `bucket` until the transaction ends, and returns it; a new one if there is none.
///
/// # Errors
/// The database's.
pub fn hold(connection: &mut Connection, bucket: &str) -> Result<(), StoreError> {
    // The update changes nothing. It holds the row, also against a transaction that inserts it at the same time.
    let upsert = "INSERT INTO guesses \
         (bucket, failures, counted_at, undecided, undecided_until, next_at, welcome_until, forget_at) \
         VALUES ($1, 0, 0, 0, 0, 0, 0, 0) ON CONFLICT (bucket) DO UPDATE SET failures = guesses.failures";
    diesel::sql_query(upsert).bind::<Text, _>(bucket).execute(connection)?;
    Ok(())
}

/// Returns the counter of `bucket`, without holding it.
///
/// # Errors
/// The database's.
pub fn find(connection: &mut Connection, bucket: &str) -> Result<Option<Tally>, StoreError> {
    Ok(dsl::guesses.find(bucket).select(Tally::as_select()).first(connection).optional()?)
}

/// Stores a counter that is held.
///
/// # Errors
/// The database's.
pub fn put(connection: &mut Connection, tally: &Tally) -> Result<(), StoreError> {
    diesel::update(dsl::guesses.find(&tally.bucket)).set(tally).execute(connection)?;
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

/// Deletes at most `most` counters that have expired at the time `now`, and returns how many.
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
