//! The `users` table. `user_addresses` has the spelling of addresses.

use std::fmt;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::store::engine::connection::{Connection, MultiBackend};
use crate::store::engine::locks;
use crate::store::error::StoreError;
use crate::store::schema::users::dsl;

/// An account as it is stored. `Debug` leaves out the hash and the address.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = crate::store::schema::users, check_for_backend(MultiBackend))]
pub struct User {
    /// `UUIDv7`; the `sub` of the account's tokens. Never given twice.
    pub id: String,
    /// Folded to lower case.
    pub username: String,
    /// Folded to lower case.
    pub email: Option<String>,
    /// Whether the owner has shown that the address is theirs.
    pub email_verified: bool,
    /// Its prefix says how it was computed (`$2b$…`, `$argon2id$…`).
    pub password_hash: String,
    /// Separated by spaces.
    pub roles: String,
    /// Logins to a disabled account are refused, and so are its tokens.
    pub disabled: bool,
    /// Rises when logins in flight must no longer succeed.
    pub auth_version: i64,
    /// Unix seconds.
    pub created_at: i64,
}

impl fmt::Debug for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("User")
            .field("id", &self.id)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl User {
    /// The roles one by one.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.split_ascii_whitespace()
    }
}

/// The name that an account is looked up by at login, folded to lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// By `username`.
    Username(String),
    /// By `email`.
    Email(String),
}

/// # Errors
/// [`StoreError::Conflict`] says whether the name or the address is taken.
pub fn insert(connection: &mut Connection, user: &User) -> Result<(), StoreError> {
    locks::names_beside_others(connection)?;
    insert_one_of_several(connection, user)
}

/// Inserts an account in a transaction that began with [`will_insert_several`].
///
/// # Errors
/// [`StoreError::Conflict`] says whether the name or the address is taken.
pub fn insert_one_of_several(connection: &mut Connection, user: &User) -> Result<(), StoreError> {
    diesel::insert_into(dsl::users).values(user).execute(connection)?;
    Ok(())
}

/// Begins a transaction that inserts several accounts, or removes an address: see `engine::locks`.
///
/// # Errors
/// The database's.
pub fn will_insert_several(connection: &mut Connection) -> Result<(), StoreError> {
    locks::names_alone(connection)
}

/// # Errors
/// The database's.
pub fn find(connection: &mut Connection, login: &Login) -> Result<Option<User>, StoreError> {
    let query = dsl::users.select(User::as_select());
    let found = match login {
        Login::Username(username) => query.filter(dsl::username.eq(username)).first(connection),
        Login::Email(email) => query.filter(dsl::email.eq(email)).first(connection),
    };
    Ok(found.optional()?)
}

/// Returns the id and the hash of an account chosen by `number`: the first whose id ends in it, or in a greater number. `None` if
/// there are no accounts.
///
/// # Errors
/// The database's.
pub fn chosen_by(connection: &mut Connection, number: u32) -> Result<Option<(String, String)>, StoreError> {
    // The last random bits of a UUIDv7. Written exactly as in the index; with a parameter PostgreSQL would not use that.
    let end = || sql::<Text>("substr(id, 29)");
    let accounts = || dsl::users.select((dsl::id, dsl::password_hash)).order(end());
    let from = accounts().filter(end().ge(format!("{number:08x}"))).first(connection).optional()?;
    Ok(if from.is_some() { from } else { accounts().first(connection).optional()? })
}

/// Returns the accounts with one of these names or addresses.
///
/// # Errors
/// The database's.
pub fn named(connection: &mut Connection, names: &[&str], emails: &[&str]) -> Result<Vec<User>, StoreError> {
    // Two queries, so that each uses its index.
    let query = dsl::users.select(User::as_select());
    let mut found: Vec<User> = query.filter(dsl::username.eq_any(names)).load(connection)?;
    found.extend(query.filter(dsl::email.eq_any(emails)).load::<User>(connection)?);
    Ok(found)
}

/// # Errors
/// The database's.
pub fn by_id(connection: &mut Connection, id: &str) -> Result<Option<User>, StoreError> {
    Ok(dsl::users.find(id).select(User::as_select()).first(connection).optional()?)
}

/// Holds the account as it was read until the transaction ends. `false` if it was disabled since, or its password or its rights
/// changed. An update, not a read, so that it holds on PostgreSQL too.
///
/// # Errors
/// The database's.
pub fn hold(connection: &mut Connection, id: &str, auth_version: i64) -> Result<bool, StoreError> {
    let unchanged =
        dsl::users.find(id).filter(dsl::auth_version.eq(auth_version)).filter(dsl::disabled.eq(false));
    Ok(diesel::update(unchanged).set(dsl::auth_version.eq(auth_version)).execute(connection)? == 1)
}

/// Disables or enables an account; `None` if there is none with this id.
///
/// # Errors
/// The database's.
pub fn set_disabled(
    connection: &mut Connection,
    id: &str,
    disabled: bool,
) -> Result<Option<User>, StoreError> {
    let account = dsl::users.find(id);
    let change = (dsl::disabled.eq(disabled), dsl::auth_version.eq(dsl::auth_version + 1));
    let returning = <User as Selectable<MultiBackend>>::construct_selection();
    Ok(diesel::update(account).set(change).returning(returning).get_result(connection).optional()?)
}

/// Holds the account with this name until the transaction ends, and returns it; `None` if there is none.
///
/// # Errors
/// The database's.
pub fn hold_by_name(connection: &mut Connection, username: &str) -> Result<Option<User>, StoreError> {
    // An update that changes nothing, not a read, so that it holds on PostgreSQL too.
    let account = diesel::update(dsl::users.filter(dsl::username.eq(username)));
    let returning = <User as Selectable<MultiBackend>>::construct_selection();
    let held = account.set(dsl::username.eq(username)).returning(returning);
    Ok(held.get_result(connection).optional()?)
}

/// Holds the account with this id until the transaction ends, and returns it; `None` if there is none.
///
/// # Errors
/// The database's.
pub fn hold_by_id(connection: &mut Connection, id: &str) -> Result<Option<User>, StoreError> {
    let account = diesel::update(dsl::users.find(id));
    let returning = <User as Selectable<MultiBackend>>::construct_selection();
    let held = account.set(dsl::auth_version.eq(dsl::auth_version)).returning(returning);
    Ok(held.get_result(connection).optional()?)
}

/// Holds the account until the transaction ends, in whatever state it is.
///
/// # Errors
/// The database's.
pub fn hold_as_it_is(connection: &mut Connection, id: &str) -> Result<(), StoreError> {
    diesel::update(dsl::users.find(id)).set(dsl::auth_version.eq(dsl::auth_version)).execute(connection)?;
    Ok(())
}

/// Sets the roles of an account. With `fewer`, logins in flight, which have read the earlier roles, do not succeed.
///
/// # Errors
/// The database's.
pub fn set_roles(connection: &mut Connection, id: &str, roles: &str, fewer: bool) -> Result<(), StoreError> {
    let change = (dsl::roles.eq(roles), dsl::auth_version.eq(dsl::auth_version + i64::from(fewer)));
    diesel::update(dsl::users.find(id)).set(change).execute(connection)?;
    Ok(())
}

/// Sets the password of an account, unless it changed since `auth_version` or is disabled. Returns whether it did.
///
/// # Errors
/// The database's.
pub fn set_password(
    connection: &mut Connection,
    id: &str,
    auth_version: i64,
    hash: &str,
) -> Result<bool, StoreError> {
    let unchanged =
        dsl::users.find(id).filter(dsl::auth_version.eq(auth_version)).filter(dsl::disabled.eq(false));
    let change = (dsl::password_hash.eq(hash), dsl::auth_version.eq(dsl::auth_version + 1));
    Ok(diesel::update(unchanged).set(change).execute(connection)? == 1)
}

/// Sets a new hash of the same password, unless the hash is no longer `outdated`: a changed password is never undone. Sessions
/// and logins in flight go on.
///
/// # Errors
/// The database's.
pub fn renew_hash(
    connection: &mut Connection,
    id: &str,
    outdated: &str,
    renewed: &str,
) -> Result<(), StoreError> {
    let unchanged = dsl::users.find(id).filter(dsl::password_hash.eq(outdated));
    diesel::update(unchanged).set(dsl::password_hash.eq(renewed)).execute(connection)?;
    Ok(())
}

/// Stores the name and the address of `user`, unless the account changed since `user.auth_version`. Returns the account as it is
/// now. Comes first in its transaction.
///
/// # Errors
/// [`StoreError::Conflict`] says whether the name or the address is taken.
pub fn set_names(connection: &mut Connection, user: &User) -> Result<Option<User>, StoreError> {
    locks::names_alone(connection)?;
    let unchanged = dsl::users.find(&user.id).filter(dsl::auth_version.eq(user.auth_version));
    let change = (
        dsl::username.eq(&user.username),
        dsl::email.eq(&user.email),
        dsl::email_verified.eq(user.email_verified),
        dsl::auth_version.eq(dsl::auth_version + 1),
    );
    let returning = <User as Selectable<MultiBackend>>::construct_selection();
    Ok(diesel::update(unchanged).set(change).returning(returning).get_result(connection).optional()?)
}

/// How an account got its user name. Times are unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = crate::store::schema::users, check_for_backend(MultiBackend))]
pub struct NameHistory {
    /// Since when the account has the name; `None` if it always had it.
    pub username_since: Option<i64>,
    /// When the account took over a name that another account had; `None` for a new name.
    pub username_taken_over_at: Option<i64>,
}

/// Returns how an account got its user name; `None` if there is no such account.
///
/// # Errors
/// The database's.
pub fn name_history(connection: &mut Connection, id: &str) -> Result<Option<NameHistory>, StoreError> {
    Ok(dsl::users.find(id).select(NameHistory::as_select()).first(connection).optional()?)
}

/// Stores how an account got its user name.
///
/// # Errors
/// The database's.
pub fn set_name_history(
    connection: &mut Connection,
    id: &str,
    history: NameHistory,
) -> Result<(), StoreError> {
    let change = (
        dsl::username_since.eq(history.username_since),
        dsl::username_taken_over_at.eq(history.username_taken_over_at),
    );
    diesel::update(dsl::users.find(id)).set(change).execute(connection)?;
    Ok(())
}

/// Removes addresses from the accounts that have them. Returns those accounts without their addresses, in the order of their
/// ids. With `unverified_only`, verified addresses stay. Logins in flight, which have read the addresses, do not succeed.
///
/// The transaction began with [`will_insert_several`].
///
/// # Errors
/// The database's.
pub fn drop_emails(
    connection: &mut Connection,
    emails: &[&str],
    unverified_only: bool,
) -> Result<Vec<User>, StoreError> {
    let either = || dsl::email_verified.eq_any([false, !unverified_only]);
    let holders = dsl::users.filter(dsl::email.eq_any(emails)).filter(either());
    let holders: Vec<String> = holders.order(dsl::id).select(dsl::id).load(connection)?;
    let mut losers = Vec::new();
    for id in holders {
        let account = dsl::users.find(id).filter(dsl::email.eq_any(emails)).filter(either());
        let change = (
            dsl::email.eq(None::<String>),
            dsl::email_verified.eq(false),
            dsl::auth_version.eq(dsl::auth_version + 1),
        );
        let returning = <User as Selectable<MultiBackend>>::construct_selection();
        let loser = diesel::update(account).set(change).returning(returning).get_result(connection);
        losers.extend(loser.optional()?);
    }
    Ok(losers)
}

/// Deletes an account with its sessions, unless it changed since `auth_version`. Returns whether it did. The caller holds both.
///
/// # Errors
/// The database's.
pub fn delete(connection: &mut Connection, id: &str, auth_version: i64) -> Result<bool, StoreError> {
    locks::deleted_account(connection, id)?;
    let unchanged = dsl::users.find(id).filter(dsl::auth_version.eq(auth_version));
    Ok(diesel::delete(unchanged).execute(connection)? == 1)
}

/// Returns accounts after `after`, in the order of their names, whose names begin with `search`. A `search` with an `@` is the start
/// of an address, and the order is that of addresses. Either way an index has exactly these rows.
///
/// # Errors
/// The database's.
pub fn page(
    connection: &mut Connection,
    search: &str,
    after: &str,
    most: i64,
) -> Result<Vec<User>, StoreError> {
    // One lower bound: of two, SQLite would use the first for the index and scan from there. Names and addresses have no
    // control characters, so this is the first text behind `after`.
    let from = if after.is_empty() || after < search { search.to_owned() } else { format!("{after}\u{1}") };
    let end = format!("{search}{}", char::MAX);
    let query = dsl::users.select(User::as_select()).limit(most);
    let found = if search.contains('@') {
        query.filter(dsl::email.ge(from).and(dsl::email.lt(end))).order(dsl::email).load(connection)
    } else {
        query.filter(dsl::username.ge(from).and(dsl::username.lt(end))).order(dsl::username).load(connection)
    };
    Ok(found?)
}
