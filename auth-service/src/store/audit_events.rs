//! The `audit_events` table: the audit trail, a chain of rows for each process.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::store::engine::connection::{Connection, MultiBackend};
use crate::store::error::StoreError;
use crate::store::schema::audit_events::dsl;

/// How many columns a row has.
const COLUMNS: usize = 13;
/// Rows per statement. SQLite searches each parameter among those before it, which takes quadratic time.
const ROWS: usize = 16;

/// An event as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = crate::store::schema::audit_events, check_for_backend(MultiBackend))]
pub struct AuditEvent {
    /// The chain of the process that wrote it.
    pub chain: String,
    /// Its position in the chain, from 1.
    pub position: i64,
    /// Unix seconds.
    pub occurred_at: i64,
    /// What happened.
    pub event: String,
    /// `success` or `failure`.
    pub outcome: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// Who did it: the id of a user or of a client, `operator:` and a name, or `service`. `None` without authentication.
    pub actor: Option<String>,
    /// Whom it is about: the id of a user or of a client.
    pub subject: Option<String>,
    /// The session that it is about.
    pub session: Option<String>,
    /// The source of the request.
    pub address: Option<String>,
    /// The id of the request, as in the log and the answer.
    pub request_id: Option<String>,
    /// Further facts, as a JSON object.
    pub details: Option<String>,
    /// The HMAC over the row and the HMAC of the row before.
    pub mac: String,
}

/// Inserts rows, several in one statement, which costs little more than one row.
///
/// # Errors
/// The database's; [`StoreError::Conflict`] if a position is taken.
pub fn insert(connection: &mut Connection, rows: &[AuditEvent]) -> Result<(), StoreError> {
    rows.chunks(ROWS).try_for_each(|rows| insert_together(connection, rows))
}

fn insert_together(connection: &mut Connection, rows: &[AuditEvent]) -> Result<(), StoreError> {
    let row = |index: usize| {
        let columns: Vec<String> =
            (1..=COLUMNS).map(|column| format!("${}", index * COLUMNS + column)).collect();
        format!("({})", columns.join(", "))
    };
    let values: Vec<String> = (0..rows.len()).map(row).collect();
    let statement = format!(
        "INSERT INTO audit_events (chain, position, occurred_at, event, outcome, reason, actor, subject, session, \
         address, request_id, details, mac) VALUES {}",
        values.join(", ")
    );
    // Diesel has no insert of several rows for an enum of databases.
    let mut query = diesel::sql_query(statement).into_boxed::<MultiBackend>();
    for row in rows {
        query = query
            .bind::<Text, _>(&row.chain)
            .bind::<BigInt, _>(row.position)
            .bind::<BigInt, _>(row.occurred_at)
            .bind::<Text, _>(&row.event)
            .bind::<Text, _>(&row.outcome)
            .bind::<Nullable<Text>, _>(&row.reason)
            .bind::<Nullable<Text>, _>(&row.actor)
            .bind::<Nullable<Text>, _>(&row.subject)
            .bind::<Nullable<Text>, _>(&row.session)
            .bind::<Nullable<Text>, _>(&row.address)
            .bind::<Nullable<Text>, _>(&row.request_id)
            .bind::<Nullable<Text>, _>(&row.details)
            .bind::<Text, _>(&row.mac);
    }
    query.execute(connection)?;
    Ok(())
}

/// Returns the next `most` rows of a chain after the position `after`, or the first ones.
///
/// # Errors
/// The database's.
pub fn of_chain(
    connection: &mut Connection,
    chain: &str,
    after: Option<i64>,
    most: i64,
) -> Result<Vec<AuditEvent>, StoreError> {
    let rows = dsl::audit_events.filter(dsl::chain.eq(chain)).order(dsl::position).limit(most);
    Ok(match after {
        Some(after) => rows.filter(dsl::position.gt(after)).select(AuditEvent::as_select()).load(connection),
        None => rows.select(AuditEvent::as_select()).load(connection),
    }?)
}

/// Returns the last position of a chain.
///
/// # Errors
/// The database's.
pub fn last_position(connection: &mut Connection, chain: &str) -> Result<Option<i64>, StoreError> {
    let rows = dsl::audit_events.filter(dsl::chain.eq(chain)).order(dsl::position.desc());
    Ok(rows.select(dsl::position).first(connection).optional()?)
}

/// Returns the next chain after this one by name, or the first one, among all chains that have rows.
///
/// # Errors
/// The database's.
pub fn next_chain(connection: &mut Connection, after: Option<&str>) -> Result<Option<String>, StoreError> {
    let chains = dsl::audit_events.select(dsl::chain).order(dsl::chain);
    let next = match after {
        Some(after) => chains.filter(dsl::chain.gt(after)).first(connection),
        None => chains.first(connection),
    };
    Ok(next.optional()?)
}

/// Returns the chain with the oldest row from before `before`, in unix seconds, without the chains `others`.
///
/// # Errors
/// The database's.
pub fn chain_before(
    connection: &mut Connection,
    before: i64,
    others: &[String],
) -> Result<Option<String>, StoreError> {
    let old = dsl::audit_events.filter(dsl::occurred_at.lt(before)).filter(dsl::chain.ne_all(others));
    Ok(old.order(dsl::occurred_at).select(dsl::chain).first(connection).optional()?)
}

/// Deletes the rows of a chain up to a position.
///
/// # Errors
/// The database's.
pub fn delete_up_to(connection: &mut Connection, chain: &str, position: i64) -> Result<(), StoreError> {
    let old = dsl::audit_events.filter(dsl::chain.eq(chain)).filter(dsl::position.le(position));
    diesel::delete(old).execute(connection)?;
    Ok(())
}

/// Conditions on rows; `None` for none.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// With this subject.
    pub subject: Option<String>,
    /// Of this name.
    pub event: Option<String>,
    /// Not before this time, in unix seconds.
    pub since: Option<i64>,
    /// Not after this time, in unix seconds.
    pub until: Option<i64>,
    /// After this row, in the order of the list.
    pub after: Option<Place>,
}

/// The place of a row in the list of all rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Unix seconds.
    pub occurred_at: i64,
    /// Its chain.
    pub chain: String,
    /// Its position there.
    pub position: i64,
}

/// Returns the first `most` rows that match, the newest first. Every filter uses an index.
///
/// # Errors
/// The database's.
pub fn page(connection: &mut Connection, filter: &Filter, most: i64) -> Result<Vec<AuditEvent>, StoreError> {
    let mut query = dsl::audit_events.select(AuditEvent::as_select()).into_boxed::<MultiBackend>();
    if let Some(subject) = &filter.subject {
        query = query.filter(dsl::subject.eq(subject));
    }
    if let Some(event) = &filter.event {
        query = query.filter(dsl::event.eq(event));
    }
    if let Some(since) = filter.since {
        query = query.filter(dsl::occurred_at.ge(since));
    }
    // One upper bound: of two, SQLite would use the first for the index and scan from there.
    let reached = filter.after.as_ref().map(|place| place.occurred_at);
    if let Some(until) = filter.until.into_iter().chain(reached).min() {
        query = query.filter(dsl::occurred_at.le(until));
    }
    if let Some(Place { occurred_at, chain, position }) = &filter.after {
        let same_chain = dsl::chain.eq(chain).and(dsl::position.lt(*position));
        let same_time = dsl::occurred_at.eq(*occurred_at).and(dsl::chain.lt(chain).or(same_chain));
        query = query.filter(dsl::occurred_at.lt(*occurred_at).or(same_time));
    }
    let newest_first = (dsl::occurred_at.desc(), dsl::chain.desc(), dsl::position.desc());
    Ok(query.order(newest_first).limit(most).load(connection)?)
}
