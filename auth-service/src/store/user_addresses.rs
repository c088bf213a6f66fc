//! The spelling of addresses in the `users` table.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use crate::store::engine::connection::Connection;
use crate::store::engine::locks;
use crate::store::error::StoreError;
use crate::store::schema::users::dsl;

/// The address of an account, which may not have the canonical spelling.
#[derive(Debug, Clone, Queryable)]
pub struct OddAddress {
    /// The account.
    pub id: String,
    /// Its name.
    pub username: String,
    /// The address.
    pub email: String,
}

/// Reads `most` accounts after the id `after`. Returns those whose address is not plain ASCII, or has an encoded domain or a
/// quoted mailbox; and the id of the last account that was read, or `None` if there are no more.
///
/// # Errors
/// The database's.
pub fn odd_addresses(
    connection: &mut Connection,
    after: &str,
    most: i64,
) -> Result<(Vec<OddAddress>, Option<String>), StoreError> {
    let ids = dsl::users.filter(dsl::id.gt(after)).order(dsl::id).select(dsl::id);
    let last: Option<String> = ids.offset(most - 1).first(connection).optional()?;
    let odd =
        sql::<Bool>("(octet_length(email) <> length(email) OR email LIKE '%xn--%' OR email LIKE '\"%')");
    let columns = (dsl::id, dsl::username, dsl::email.assume_not_null());
    let query = dsl::users.filter(dsl::id.gt(after)).filter(odd).select(columns);
    let found = match &last {
        Some(last) => query.filter(dsl::id.le(last)).load(connection)?,
        None => query.load(connection)?,
    };
    Ok((found, last))
}

/// Changes the spelling of an address, if the account still has it. Returns whether it did.
///
/// # Errors
/// [`StoreError::Conflict`] if another account has the address in that spelling.
pub fn respell_email(
    connection: &mut Connection,
    id: &str,
    email: &str,
    respelled: &str,
) -> Result<bool, StoreError> {
    locks::names_alone(connection)?;
    let account = dsl::users.find(id).filter(dsl::email.eq(email));
    Ok(diesel::update(account).set(dsl::email.eq(respelled)).execute(connection)? == 1)
}
