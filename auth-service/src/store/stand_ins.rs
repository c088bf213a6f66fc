//! The `stand_ins` table: accounts whose hashes are checked for names without an account.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::store::engine::connection::Connection;
use crate::store::engine::locks;
use crate::store::error::StoreError;
use crate::store::schema::{stand_ins, users};

/// Hash of the account at `slot`, as it is now; `None` when none was chosen since `since`, in unix seconds.
///
/// # Errors
/// The database's.
pub fn hash(connection: &mut Connection, slot: i64, since: i64) -> Result<Option<String>, StoreError> {
    let chosen = stand_ins::table.inner_join(users::table.on(users::id.eq(stand_ins::user_id)));
    let chosen = chosen.filter(stand_ins::slot.eq(slot)).filter(stand_ins::chosen_at.ge(since));
    Ok(chosen.select(users::password_hash).first(connection).optional()?)
}

/// Puts the account `user_id` at `slot`, unless another one was chosen since `since` or the account is gone.
///
/// # Errors
/// The database's.
pub fn choose(
    connection: &mut Connection,
    (slot, user_id): (i64, &str),
    now: i64,
    since: i64,
) -> Result<(), StoreError> {
    locks::stand_in_account(connection, user_id)?;
    let upsert = "INSERT INTO stand_ins (slot, user_id, chosen_at) SELECT $1, id, $2 FROM users WHERE id = $3 \
         ON CONFLICT (slot) DO UPDATE SET user_id = excluded.user_id, chosen_at = excluded.chosen_at \
         WHERE stand_ins.chosen_at < $4";
    diesel::sql_query(upsert)
        .bind::<BigInt, _>(slot)
        .bind::<BigInt, _>(now)
        .bind::<Text, _>(user_id)
        .bind::<BigInt, _>(since)
        .execute(connection)?;
    Ok(())
}

/// Deletes every choice.
///
/// # Errors
/// The database's.
pub fn forget_all(connection: &mut Connection) -> Result<(), StoreError> {
    locks::stand_ins_in_order(connection)?;
    diesel::delete(stand_ins::table).execute(connection)?;
    Ok(())
}
