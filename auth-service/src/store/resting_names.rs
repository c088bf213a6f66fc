//! The `resting_names` table: names and verified addresses that were given up, as keyed digests.

use diesel::prelude::*;

use crate::store::engine::connection::{Connection, MultiBackend};
use crate::store::engine::locks;
use crate::store::error::StoreError;
use crate::store::schema::resting_names::dsl;

/// What a digest is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A user name.
    Username,
    /// A verified e-mail address.
    Email,
}

impl Kind {
    /// As it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
        }
    }
}

/// A name that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = crate::store::schema::resting_names, check_for_backend(MultiBackend))]
pub struct RestingName {
    /// Keyed, over the kind and the name.
    pub digest: String,
    /// See [`Kind::as_str`].
    pub kind: String,
    /// The account that gave it up; `None` when that was deleted.
    pub owner: Option<String>,
    /// Unix seconds.
    pub released_at: i64,
}

/// # Errors
/// The database's.
pub fn find(connection: &mut Connection, digest: &str) -> Result<Option<RestingName>, StoreError> {
    Ok(dsl::resting_names.find(digest).select(RestingName::as_select()).first(connection).optional()?)
}

/// Returns those of `digests` that are stored.
///
/// # Errors
/// The database's.
pub fn among(connection: &mut Connection, digests: &[String]) -> Result<Vec<RestingName>, StoreError> {
    let found = dsl::resting_names.filter(dsl::digest.eq_any(digests));
    Ok(found.select(RestingName::as_select()).load(connection)?)
}

/// Returns them too, and holds them until the transaction ends.
///
/// # Errors
/// The database's.
pub fn hold(connection: &mut Connection, digests: &[String]) -> Result<Vec<RestingName>, StoreError> {
    locks::resting_names_in_order(connection, digests)?;
    among(connection, digests)
}

/// Stores a name that was given up, in place of an earlier row.
///
/// # Errors
/// The database's.
pub fn put(connection: &mut Connection, name: &RestingName) -> Result<(), StoreError> {
    remove(connection, &name.digest)?;
    diesel::insert_into(dsl::resting_names).values(name).execute(connection)?;
    Ok(())
}

/// Deletes a name that is taken again. Returns whether it was stored.
///
/// # Errors
/// The database's.
pub fn remove(connection: &mut Connection, digest: &str) -> Result<bool, StoreError> {
    Ok(diesel::delete(dsl::resting_names.find(digest)).execute(connection)? == 1)
}

/// How many names of a kind an account gave up after the time `since`.
///
/// # Errors
/// The database's.
pub fn count(connection: &mut Connection, owner: &str, kind: Kind, since: i64) -> Result<i64, StoreError> {
    let own = dsl::resting_names.filter(dsl::owner.eq(owner)).filter(dsl::kind.eq(kind.as_str()));
    Ok(own.filter(dsl::released_at.gt(since)).count().get_result(connection)?)
}

/// Deletes from the rows of an account that they were its.
///
/// # Errors
/// The database's.
pub fn disown(connection: &mut Connection, owner: &str) -> Result<(), StoreError> {
    locks::own_resting_names_in_order(connection, owner)?;
    let own = dsl::resting_names.filter(dsl::owner.eq(owner));
    diesel::update(own).set(dsl::owner.eq(None::<String>)).execute(connection)?;
    Ok(())
}

/// Deletes at most `most` names that were given up before the time `before`, and returns how many.
///
/// # Errors
/// The database's.
pub fn forget(connection: &mut Connection, before: i64, most: i64) -> Result<usize, StoreError> {
    let over = dsl::resting_names.filter(dsl::released_at.lt(before)).order(dsl::released_at).limit(most);
    let mut digests: Vec<String> = over.select(dsl::digest).load(connection)?;
    digests.sort_unstable(); // replicas that clean up at once wait for each other in one order
    let mut forgotten = 0;
    for digest in digests {
        // Once more: the name may have been taken and given up again meanwhile.
        let row = dsl::resting_names.find(digest).filter(dsl::released_at.lt(before));
        forgotten += diesel::delete(row).execute(connection)?;
    }
    Ok(forgotten)
}

/// Deletes all of them: for digests whose key is lost.
///
/// # Errors
/// The database's.
pub fn forget_all(connection: &mut Connection) -> Result<usize, StoreError> {
    Ok(diesel::delete(dsl::resting_names).execute(connection)?)
}
