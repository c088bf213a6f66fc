//! The `sessions` table: one row for each login, however often it is refreshed.

use diesel::prelude::*;

use super::connection::{Connection, MultiBackend};
use super::error::StoreError;
use super::schema::{sessions::dsl, users};
use super::users::User;

/// A session as it is stored. All times are unix seconds.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = super::schema::sessions, check_for_backend(MultiBackend))]
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
    /// When it was ended, by a logout, an operator or a theft.
    pub ended_at: Option<i64>,
    /// From where the user logged in.
    pub ip: Option<String>,
    /// With what the user logged in; cut to a configured length.
    pub user_agent: Option<String>,
}

impl Session {
    /// Whether its tokens are worth anything at the time `now`.
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

/// Takes a living session from `generation` to the next one. Of any number of callers exactly one gets the session;
/// the others get `None`.
///
/// # Errors
/// The database's.
pub fn rotate(
    connection: &mut Connection,
    id: &str,
    generation: i64,
    now: i64,
    expires_at: i64,
) -> Result<Option<Session>, StoreError> {
    let current = dsl::sessions
        .find(id)
        .filter(dsl::generation.eq(generation))
        .filter(dsl::ended_at.is_null())
        .filter(dsl::expires_at.gt(now));
    let next = (
        dsl::generation.eq(dsl::generation + 1),
        dsl::rotated_at.eq(now),
        dsl::last_used_at.eq(now),
        dsl::expires_at.eq(expires_at),
    );
    let returning = <Session as Selectable<MultiBackend>>::construct_selection();
    Ok(diesel::update(current).set(next).returning(returning).get_result(connection).optional()?)
}

/// Ends a session; `false` when it had ended before.
///
/// # Errors
/// The database's.
pub fn end(connection: &mut Connection, id: &str, now: i64) -> Result<bool, StoreError> {
    let open = dsl::sessions.find(id).filter(dsl::ended_at.is_null());
    Ok(diesel::update(open).set((dsl::ended_at.eq(now), dsl::expires_at.eq(now))).execute(connection)? == 1)
}

/// Ends every session of an account, and says how many there were.
///
/// # Errors
/// The database's.
pub fn end_all(connection: &mut Connection, user_id: &str, now: i64) -> Result<usize, StoreError> {
    let open = dsl::sessions.filter(dsl::user_id.eq(user_id)).filter(dsl::ended_at.is_null());
    Ok(diesel::update(open).set((dsl::ended_at.eq(now), dsl::expires_at.eq(now))).execute(connection)?)
}

/// The next `most` sessions behind the one called `after`, in the order of their ids, each with its end.
///
/// # Errors
/// The database's.
pub fn ends(connection: &mut Connection, after: &str, most: i64) -> Result<Vec<(String, i64)>, StoreError> {
    let query = dsl::sessions.filter(dsl::id.gt(after)).order(dsl::id).limit(most);
    Ok(query.select((dsl::id, dsl::expires_at)).load(connection)?)
}

/// Deletes those of these sessions that ended before `before`, and says how many they were.
///
/// # Errors
/// The database's.
pub fn delete_ended(connection: &mut Connection, ids: &[String], before: i64) -> Result<usize, StoreError> {
    let ended = dsl::sessions.filter(dsl::id.eq_any(ids)).filter(dsl::expires_at.lt(before));
    Ok(diesel::delete(ended).execute(connection)?)
}
