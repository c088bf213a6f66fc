//! The `clients` table: services with a secret of their own.

use std::fmt;
use std::ops::Range;

use diesel::prelude::*;

use crate::store::engine::connection::{Connection, MultiBackend};
use crate::store::error::StoreError;
use crate::store::schema::clients::dsl;

/// A client as it is stored. `Debug` leaves out the digest.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = crate::store::schema::clients, check_for_backend(MultiBackend))]
pub struct Client {
    /// Its name; the `client_id` is `client:` and this.
    pub name: String,
    /// The digest of its secret, which is not stored.
    pub secret_digest: String,
    /// What its tokens may allow, separated by spaces.
    pub scopes: String,
    /// For whom its tokens may be meant, and whose tokens it may ask about, separated by spaces.
    pub audience: String,
    /// A disabled client cannot authenticate.
    pub disabled: bool,
    /// The status list index of its tokens; `None` until its next token.
    #[diesel(column_name = number)]
    pub status_index: Option<i64>,
    /// Unix seconds.
    pub created_at: i64,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("name", &self.name).finish_non_exhaustive()
    }
}

/// # Errors
/// [`StoreError::Conflict`] when there is one of that name.
pub fn insert(connection: &mut Connection, client: &Client) -> Result<(), StoreError> {
    diesel::insert_into(dsl::clients).values(client).execute(connection)?;
    Ok(())
}

/// # Errors
/// The database's.
pub fn find(connection: &mut Connection, name: &str) -> Result<Option<Client>, StoreError> {
    Ok(dsl::clients.find(name).select(Client::as_select()).first(connection).optional()?)
}

/// Returns every client. They are few, since operators create them by hand.
///
/// # Errors
/// The database's.
pub fn all(connection: &mut Connection) -> Result<Vec<Client>, StoreError> {
    Ok(dsl::clients.order((dsl::created_at, dsl::name)).select(Client::as_select()).load(connection)?)
}

/// Disables or enables a client, and returns it as it is now.
///
/// # Errors
/// The database's.
pub fn set_disabled(
    connection: &mut Connection,
    name: &str,
    disabled: bool,
) -> Result<Option<Client>, StoreError> {
    let change = diesel::update(dsl::clients.find(name)).set(dsl::disabled.eq(disabled));
    let returning = <Client as Selectable<MultiBackend>>::construct_selection();
    Ok(change.returning(returning).get_result(connection).optional()?)
}

/// Sets a new secret of a client, and returns it as it is now.
///
/// # Errors
/// The database's.
pub fn set_secret(
    connection: &mut Connection,
    name: &str,
    digest: &str,
) -> Result<Option<Client>, StoreError> {
    let change = diesel::update(dsl::clients.find(name)).set(dsl::secret_digest.eq(digest));
    let returning = <Client as Selectable<MultiBackend>>::construct_selection();
    Ok(change.returning(returning).get_result(connection).optional()?)
}

/// Assigns a status list index to a client unless it has one, and locks the client until the transaction ends. Returns the
/// client as it is now; `None` when it is gone or disabled.
///
/// # Errors
/// The database's.
pub fn with_status_index(
    connection: &mut Connection,
    name: &str,
    index: i64,
) -> Result<Option<Client>, StoreError> {
    // The first update changes nothing: it holds the row, so that a transaction that revokes the client's tokens waits and finds the index.
    diesel::update(dsl::clients.find(name)).set(dsl::number.eq(dsl::number)).execute(connection)?;
    let without = dsl::clients.find(name).filter(dsl::number.is_null());
    diesel::update(without).set(dsl::number.eq(index)).execute(connection)?;
    Ok(find(connection, name)?.filter(|client| !client.disabled))
}

/// Takes a client's status list index away if it is this one. Returns whether it was.
///
/// # Errors
/// The database's.
pub fn drop_status_index(connection: &mut Connection, name: &str, index: i64) -> Result<bool, StoreError> {
    let with = dsl::clients.find(name).filter(dsl::number.eq(index));
    Ok(diesel::update(with).set(dsl::number.eq(None::<i64>)).execute(connection)? == 1)
}

/// Takes the status list index of every client away.
///
/// # Errors
/// The database's.
pub fn drop_status_indexes(connection: &mut Connection) -> Result<(), StoreError> {
    diesel::update(dsl::clients).set(dsl::number.eq(None::<i64>)).execute(connection)?;
    Ok(())
}

/// Whether a client has one of these status list indexes.
///
/// # Errors
/// The database's.
pub fn any_with(connection: &mut Connection, indexes: Range<i64>) -> Result<bool, StoreError> {
    let among = dsl::number.ge(indexes.start).and(dsl::number.lt(indexes.end));
    let found: Option<String> = dsl::clients.filter(among).select(dsl::name).first(connection).optional()?;
    Ok(found.is_some())
}
