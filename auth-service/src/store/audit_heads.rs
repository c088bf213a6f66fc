//! The `audit_heads` table: the head of each process's chain.

use diesel::prelude::*;

use crate::store::engine::connection::{Connection, MultiBackend};
use crate::store::error::StoreError;
use crate::store::schema::audit_heads::dsl;

/// The head of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = crate::store::schema::audit_heads, check_for_backend(MultiBackend), treat_none_as_null = true)]
pub struct AuditHead {
    /// The chain.
    pub chain: String,
    /// Chains are numbered from 1 on, without gaps.
    pub number: i64,
    /// The key of the HMACs of its rows and of this head.
    pub kid: String,
    /// Of its last row; 0 before the first one.
    pub position: i64,
    /// Of its last row.
    pub mac: String,
    /// Of the first row that is kept.
    pub first_position: i64,
    /// Of the row before that; empty when it never had one.
    pub first_mac: String,
    /// The highest number of a chain that existed when this one was last written to.
    pub newest: i64,
    /// Whether the chain with the number before was deleted because all its rows were old.
    #[diesel(column_name = front)]
    pub predecessor_pruned: bool,
    /// Unix seconds.
    pub started_at: i64,
    /// When its process closed it; `None` while the process runs, and if it was killed.
    pub closed_at: Option<i64>,
    /// The HMAC over the row.
    pub signature: String,
}

/// # Errors
/// [`StoreError::Conflict`] when another process took the number.
pub fn insert(connection: &mut Connection, head: &AuditHead) -> Result<(), StoreError> {
    diesel::insert_into(dsl::audit_heads).values(head).execute(connection)?;
    Ok(())
}

/// # Errors
/// The database's.
pub fn find(connection: &mut Connection, chain: &str) -> Result<Option<AuditHead>, StoreError> {
    Ok(dsl::audit_heads.find(chain).select(AuditHead::as_select()).first(connection).optional()?)
}

/// Number and position of these chains, those that are there.
///
/// # Errors
/// The database's.
pub fn positions(
    connection: &mut Connection,
    chains: &[String],
) -> Result<Vec<(String, i64, i64)>, StoreError> {
    if chains.is_empty() {
        return Ok(Vec::new());
    }
    let query = dsl::audit_heads.filter(dsl::chain.eq_any(chains));
    Ok(query.select((dsl::chain, dsl::number, dsl::position)).load(connection)?)
}

/// Holds the head of a chain until the transaction ends, and returns it.
///
/// # Errors
/// The database's.
pub fn hold(connection: &mut Connection, chain: &str) -> Result<Option<AuditHead>, StoreError> {
    // An update that changes nothing, not a read, so that it holds on PostgreSQL as well.
    let held = diesel::update(dsl::audit_heads.find(chain)).set(dsl::number.eq(dsl::number));
    let returning = <AuditHead as Selectable<MultiBackend>>::construct_selection();
    Ok(held.returning(returning).get_result(connection).optional()?)
}

/// Stores a head that is held.
///
/// # Errors
/// The database's.
pub fn put(connection: &mut Connection, head: &AuditHead) -> Result<(), StoreError> {
    diesel::update(dsl::audit_heads.find(&head.chain)).set(head).execute(connection)?;
    Ok(())
}

/// # Errors
/// The database's.
pub fn delete(connection: &mut Connection, chain: &str) -> Result<(), StoreError> {
    diesel::delete(dsl::audit_heads.find(chain)).execute(connection)?;
    Ok(())
}

/// The next `most` heads with numbers below `before`, or the highest ones: the newest chain first.
///
/// # Errors
/// The database's.
pub fn down_from(
    connection: &mut Connection,
    before: Option<i64>,
    most: i64,
) -> Result<Vec<AuditHead>, StoreError> {
    // In SQLite a text is more than any number, and would be read as 0.
    let heads = dsl::audit_heads.filter(dsl::number.le(i64::MAX)).order(dsl::number.desc()).limit(most);
    Ok(match before {
        Some(before) => heads.filter(dsl::number.lt(before)).select(AuditHead::as_select()).load(connection),
        None => heads.select(AuditHead::as_select()).load(connection),
    }?)
}

/// The next `most` heads behind the chain with the number `after`, or the first ones, in the order of their numbers.
///
/// # Errors
/// The database's.
pub fn behind(
    connection: &mut Connection,
    after: Option<i64>,
    most: i64,
) -> Result<Vec<AuditHead>, StoreError> {
    let heads = dsl::audit_heads.order(dsl::number).limit(most).select(AuditHead::as_select());
    Ok(match after {
        Some(after) => heads.filter(dsl::number.gt(after)).load(connection),
        None => heads.load(connection),
    }?)
}
