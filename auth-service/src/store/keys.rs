//! The `keys` table. Secrets in it are sealed: an attacker who reads or writes it gains no key.

use diesel::prelude::*;

use crate::store::engine::connection::{Connection, MultiBackend};
use crate::store::error::StoreError;
use crate::store::schema::keys::dsl;

/// A sealed key as it is stored.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = crate::store::schema::keys, check_for_backend(MultiBackend))]
pub struct SealedKey {
    /// The key's id: the `kid` of tokens, or the key id inside refresh tokens.
    pub kid: String,
    /// `access`, `refresh`, `audit` or `names`.
    pub purpose: String,
    /// The JOSE name of its algorithm.
    pub algorithm: String,
    /// The sealed secret, base64.
    pub sealed: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds; the newest key of its purpose that is active is the one in use.
    pub active_from: i64,
}

/// All keys of a purpose, oldest first.
///
/// # Errors
/// The database's.
pub fn of_purpose(connection: &mut Connection, purpose: &str) -> Result<Vec<SealedKey>, StoreError> {
    let query = dsl::keys.filter(dsl::purpose.eq(purpose)).order(dsl::active_from);
    Ok(query.select(SealedKey::as_select()).load(connection)?)
}

/// Whether there is any key.
///
/// # Errors
/// The database's.
pub fn any(connection: &mut Connection) -> Result<bool, StoreError> {
    Ok(dsl::keys.select(dsl::kid).first::<String>(connection).optional()?.is_some())
}

/// When the newest key of a purpose becomes active, whatever row it is.
///
/// # Errors
/// The database's.
pub fn newest_active_from(connection: &mut Connection, purpose: &str) -> Result<Option<i64>, StoreError> {
    let query = dsl::keys.filter(dsl::purpose.eq(purpose)).order(dsl::active_from.desc());
    Ok(query.select(dsl::active_from).first(connection).optional()?)
}

/// # Errors
/// [`StoreError::Conflict`] when another process has made the key for that time.
pub fn insert(connection: &mut Connection, key: &SealedKey) -> Result<(), StoreError> {
    diesel::insert_into(dsl::keys).values(key).execute(connection)?;
    Ok(())
}

/// Seals a key anew; 0 when another process has.
///
/// # Errors
/// The database's.
pub fn reseal(connection: &mut Connection, kid: &str, old: &str, new: &str) -> Result<usize, StoreError> {
    let row = dsl::keys.find(kid).filter(dsl::sealed.eq(old));
    Ok(diesel::update(row).set(dsl::sealed.eq(new)).execute(connection)?)
}

/// # Errors
/// The database's.
pub fn delete(connection: &mut Connection, kids: &[String]) -> Result<usize, StoreError> {
    Ok(diesel::delete(dsl::keys.filter(dsl::kid.eq_any(kids))).execute(connection)?)
}

/// Deletes every key of a purpose, also rows that cannot be opened.
///
/// # Errors
/// The database's.
pub fn delete_all(connection: &mut Connection, purpose: &str) -> Result<(), StoreError> {
    diesel::delete(dsl::keys.filter(dsl::purpose.eq(purpose))).execute(connection)?;
    Ok(())
}
