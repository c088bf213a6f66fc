//! The `sessions` table: one row for each login, however often it is refreshed.

use std::ops::Range;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable};

use crate::store::engine::connection::{Connection, MultiBackend};
use crate::store::engine::locks;
use crate::store::engine::locks::Which;
use crate::store::error::StoreError;
use crate::store::schema::sessions::dsl;
use crate::store::schema::users;
use crate::store::users::User;

diesel::define_sql_function! {
    /// The first of them that is not NULL.
    fn coalesce(first: Nullable<BigInt>, second: Nullable<BigInt>) -> Nullable<BigInt>;
}

/// A session as it is stored. All times are unix seconds.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = crate::store::schema::sessions, check_for_backend(MultiBackend))]
pub struct Session {
    /// `UUIDv7`; the `sid` of the session's tokens.
    pub id: String,
    /// Whose session it is.
    pub user_id: String,
    /// The `aud` of its access tokens, separated by spaces.
    pub audience: String,
    /// How often it was refreshed. The refresh token of this generation is the one that works.
    pub generation: i64,
    /// When the generation last rose.
    pub rotated_at: i64,
    /// When the user logged in: the `auth_time` of its tokens.
    pub created_at: i64,
    /// When it was last refreshed.
    pub last_used_at: i64,
    /// It ends then, unless it is refreshed before. Never later than the next one.
    pub expires_at: i64,
    /// It ends then in any case.
    pub absolute_expires_at: i64,
    /// When it was ended: by a logout, an operator or theft.
    pub ended_at: Option<i64>,
    /// From where it was last used: logged in or refreshed.
    pub ip: Option<String>,
    /// With what it was last used; cut to a configured length.
    pub user_agent: Option<String>,
    /// The status list index of its access tokens. `None` until the next refresh after its rights shrank.
    #[diesel(column_name = number)]
    pub status_index: Option<i64>,
}

impl Session {
    /// Whether its tokens are valid at the time `now`.
    #[must_use]
    pub fn is_alive(&self, now: i64) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}

/// # Errors
/// The database's.
pub fn insert(connection: &mut Connection, session: &Session) -> Result<(), StoreError> {
    diesel::insert_into(dsl::sessions).values(session).execute(connection)?;
    Ok(())
}

/// A session and whose it is.
///
/// # Errors
/// The database's.
pub fn with_user(connection: &mut Connection, id: &str) -> Result<Option<(Session, User)>, StoreError> {
    let query = dsl::sessions.inner_join(users::table.on(users::id.eq(dsl::user_id)));
    let found =
        query.filter(dsl::id.eq(id)).select((Session::as_select(), User::as_select())).first(connection);
    Ok(found.optional()?)
}

/// A use of a session's refresh token, as it is stored.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The generation that is used up.
    pub generation: i64,
    /// Unix seconds.
    pub now: i64,
    /// When the session ends now, unless it is refreshed before. Unix seconds.
    pub expires_at: i64,
    /// When it ends in any case. Unix seconds.
    pub absolute_expires_at: i64,
    /// Where the use came from.
    pub ip: Option<String>,
    /// What it came with.
    pub user_agent: Option<String>,
}

/// Advances a live session by one generation, with the status list index `spare` unless it has one. Of any number of
/// callers exactly one does, and gets `true`.
///
/// The row is updated once, whatever happens: see `store::locks`. `indexed` says whether the session had an index a moment ago: then
/// no column with an index is written.
///
/// # Errors
/// The database's.
pub fn rotate(
    connection: &mut Connection,
    id: &str,
    rotation: &Rotation,
    spare: Option<i64>,
    indexed: bool,
) -> Result<bool, StoreError> {
    if spare.is_none() {
        return update_generation(connection, id, rotation, None, false);
    }
    let kept = indexed && update_generation(connection, id, rotation, None, true)?;
    // Another transaction may have taken its index away meanwhile.
    Ok(kept || update_generation(connection, id, rotation, spare, false)?)
}

fn update_generation(
    connection: &mut Connection,
    id: &str,
    rotation: &Rotation,
    status_index: Option<i64>,
    only_if_indexed: bool,
) -> Result<bool, StoreError> {
    let may_have_none = (!only_if_indexed).into_sql::<Bool>();
    let current = dsl::sessions
        .find(id)
        .filter(dsl::generation.eq(rotation.generation))
        .filter(dsl::ended_at.is_null())
        .filter(dsl::expires_at.gt(rotation.now))
        .filter(dsl::number.is_not_null().or(may_have_none));
    let next = (
        dsl::generation.eq(dsl::generation + 1),
        dsl::rotated_at.eq(rotation.now),
        dsl::last_used_at.eq(rotation.now),
        dsl::expires_at.eq(rotation.expires_at),
        dsl::absolute_expires_at.eq(rotation.absolute_expires_at),
        dsl::ip.eq(&rotation.ip),
        dsl::user_agent.eq(&rotation.user_agent),
        status_index.map(|index| dsl::number.eq(coalesce(dsl::number, Some(index)))),
    );
    Ok(diesel::update(current).set(next).execute(connection)? == 1)
}

/// Assigns a status list index to a session unless it has one or has ended, and locks the session until the transaction ends:
/// a transaction that takes the index away waits, and finds it. One update, also when it has a number: see `store::locks`.
///
/// # Errors
/// The database's.
pub fn assign_status_index(connection: &mut Connection, id: &str, index: i64) -> Result<(), StoreError> {
    let open = dsl::sessions.find(id).filter(dsl::ended_at.is_null());
    let given = dsl::number.eq(coalesce(dsl::number, Some(index)));
    diesel::update(open).set(given).execute(connection)?;
    Ok(())
}

/// Holds every session of an account until the transaction ends, also those that have ended. The caller holds the account.
///
/// # Errors
/// The database's.
pub fn hold_all(connection: &mut Connection, user_id: &str) -> Result<(), StoreError> {
    locks::sessions_in_order(connection, &[user_id], Which::All)
}

/// Ends a session, and returns it; `None` if it had ended before.
///
/// # Errors
/// The database's.
pub fn end(connection: &mut Connection, id: &str, now: i64) -> Result<Option<Session>, StoreError> {
    let open = dsl::sessions.find(id).filter(dsl::ended_at.is_null());
    let change = diesel::update(open).set((dsl::ended_at.eq(now), dsl::expires_at.eq(now)));
    let returning = <Session as Selectable<MultiBackend>>::construct_selection();
    Ok(change.returning(returning).get_result(connection).optional()?)
}

/// Ends every session of an account, except the one called `except`, and returns their status list indexes.
///
/// The caller holds the account: two that take its sessions in different orders would wait for each other forever.
///
/// # Errors
/// The database's.
pub fn end_all(
    connection: &mut Connection,
    user_id: &str,
    except: &str,
    now: i64,
) -> Result<Vec<Option<i64>>, StoreError> {
    locks::sessions_in_order(connection, &[user_id], Which::Open)?;
    let open = dsl::sessions.filter(dsl::user_id.eq(user_id)).filter(dsl::ended_at.is_null());
    let change =
        diesel::update(open.filter(dsl::id.ne(except))).set((dsl::ended_at.eq(now), dsl::expires_at.eq(now)));
    Ok(change.returning(dsl::number).get_results(connection)?)
}

/// Ends every session of every account, and removes their status list indexes. Expired sessions too: if the clock is ahead, they
/// would be valid again once it is corrected. Returns how many had not been ended before.
///
/// # Errors
/// The database's.
pub fn end_everything(connection: &mut Connection, now: i64) -> Result<usize, StoreError> {
    // Each row is updated once: see `locks`.
    let open = dsl::sessions.filter(dsl::ended_at.is_null());
    let end = (dsl::ended_at.eq(now), dsl::expires_at.eq(now), dsl::number.eq(None::<i64>));
    let ended = diesel::update(open).set(end).execute(connection)?;
    let numbered = dsl::sessions.filter(dsl::number.is_not_null());
    diesel::update(numbered).set(dsl::number.eq(None::<i64>)).execute(connection)?;
    Ok(ended)
}

/// Takes away the status list indexes of the open sessions of these accounts, and returns them. Each session gets a new one
/// at its next refresh.
///
/// The caller holds the accounts, as for [`end_all`].
///
/// # Errors
/// The database's.
pub fn drop_status_indexes(
    connection: &mut Connection,
    user_ids: &[&str],
) -> Result<Vec<Option<i64>>, StoreError> {
    locks::sessions_in_order(connection, user_ids, Which::Open)?;
    let open = || dsl::sessions.filter(dsl::user_id.eq_any(user_ids)).filter(dsl::ended_at.is_null());
    // The first update changes nothing: it holds the rows, so that of two transactions that end a session or take its index away one gets the index.
    // It holds those without an index as well: a refresh that is assigning one saw the earlier rights.
    let held = diesel::update(open()).set(dsl::number.eq(dsl::number)).returning(dsl::number);
    let indexes = held.get_results(connection)?;
    diesel::update(open()).set(dsl::number.eq(None::<i64>)).execute(connection)?;
    Ok(indexes)
}

/// Returns live sessions of an account, the newest first: the `most` that began before the one called `before` (an id
/// behind all others for the first ones).
///
/// # Errors
/// The database's.
pub fn page(
    connection: &mut Connection,
    user_id: &str,
    before: &str,
    most: i64,
    now: i64,
) -> Result<Vec<Session>, StoreError> {
    let living = dsl::sessions
        .filter(dsl::user_id.eq(user_id))
        .filter(dsl::ended_at.is_null())
        .filter(dsl::expires_at.gt(now));
    let query = living.filter(dsl::id.lt(before)).order(dsl::id.desc()).limit(most);
    Ok(query.select(Session::as_select()).load(connection)?)
}

/// Whether any session has one of these status list indexes.
///
/// # Errors
/// The database's.
pub fn any_with(connection: &mut Connection, indexes: Range<i64>) -> Result<bool, StoreError> {
    let among = dsl::number.ge(indexes.start).and(dsl::number.lt(indexes.end));
    let found: Option<String> = dsl::sessions.filter(among).select(dsl::id).first(connection).optional()?;
    Ok(found.is_some())
}

/// When a session ends, and when it was last refreshed.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = crate::store::schema::sessions, check_for_backend(MultiBackend))]
pub struct End {
    /// The session.
    pub id: String,
    /// Unix seconds.
    pub expires_at: i64,
    /// Unix seconds.
    pub rotated_at: i64,
}

/// The next `most` sessions behind the one called `after`, in the order of their ids.
///
/// # Errors
/// The database's.
pub fn ends(connection: &mut Connection, after: &str, most: i64) -> Result<Vec<End>, StoreError> {
    let query = dsl::sessions.filter(dsl::id.gt(after)).order(dsl::id).limit(most);
    Ok(query.select(End::as_select()).load(connection)?)
}

/// Deletes those of these sessions that ended before `before`, and returns how many.
///
/// # Errors
/// The database's.
pub fn delete_ended(connection: &mut Connection, ids: &[String], before: i64) -> Result<usize, StoreError> {
    locks::these_sessions_in_order(connection, ids)?;
    let ended = dsl::sessions.filter(dsl::id.eq_any(ids)).filter(dsl::expires_at.lt(before));
    Ok(diesel::delete(ended).execute(connection)?)
}
