//! Whether what the audit tables hold is of the types that they are declared with: SQLite takes any value into any column.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;

/// Which table is looked at.
#[derive(Debug, Clone, Copy)]
pub enum Table {
    /// `audit_events`.
    Events,
    /// `audit_heads`.
    Heads,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Events => "audit_events",
            Self::Heads => "audit_heads",
        }
    }

    /// What no row may be.
    fn wrong(self) -> String {
        let (texts, numbers, optional): (&[&str], &[&str], _) = match self {
            Self::Events => (
                &["chain", "event", "outcome", "mac"],
                &["position", "occurred_at"],
                "typeof(reason) NOT IN ('text', 'null') OR typeof(actor) NOT IN ('text', 'null') OR \
                 typeof(subject) NOT IN ('text', 'null') OR typeof(session) NOT IN ('text', 'null') OR \
                 typeof(address) NOT IN ('text', 'null') OR typeof(request_id) NOT IN ('text', 'null') OR \
                 typeof(details) NOT IN ('text', 'null')",
            ),
            Self::Heads => (
                &["chain", "kid", "mac", "first_mac", "signature"],
                &["number", "position", "first_position", "newest", "front", "started_at"],
                "typeof(closed_at) NOT IN ('integer', 'null')",
            ),
        };
        let texts = texts.iter().map(|column| format!("typeof({column}) <> 'text' OR "));
        let numbers = numbers.iter().map(|column| format!("typeof({column}) <> 'integer' OR "));
        texts.chain(numbers).collect::<String>() + optional
    }
}

/// A part of a table.
#[derive(Debug)]
pub struct Checked {
    /// The SQLite row id of its last row.
    pub last: i64,
    /// Chain and position of rows that have a wrong type, as far as these can be read.
    pub wrong: Vec<(String, i64)>,
}

#[derive(QueryableByName)]
struct Last {
    #[diesel(sql_type = Nullable<BigInt>)]
    last: Option<i64>,
}

#[derive(QueryableByName)]
struct Wrong {
    #[diesel(sql_type = Text)]
    chain: String,
    #[diesel(sql_type = BigInt)]
    position: i64,
}

/// Looks at the next `most` rows behind the row id `after`. `None`: there are no more, or it is PostgreSQL, where a column
/// holds what it says.
///
/// # Errors
/// The database's.
pub fn check(
    connection: &mut Connection,
    table: Table,
    after: Option<i64>,
    most: i64,
) -> Result<Option<Checked>, StoreError> {
    let Connection::Sqlite(sqlite) = connection else { return Ok(None) };
    let (name, behind) =
        (table.name(), after.map_or_else(|| "1".to_owned(), |after| format!("rowid > {after}")));
    let last = format!(
        "SELECT max(id) AS last FROM (SELECT rowid AS id FROM {name} WHERE {behind} ORDER BY rowid LIMIT {most})"
    );
    let Some(last) = diesel::sql_query(last).get_result::<Last>(sqlite)?.last else { return Ok(None) };
    let wrong = format!(
        "SELECT CASE typeof(chain) WHEN 'text' THEN chain ELSE quote(chain) END AS chain, \
         CAST(position AS INTEGER) AS position FROM {name} WHERE {behind} AND rowid <= {last} AND ({})",
        table.wrong()
    );
    let wrong = diesel::sql_query(wrong).load::<Wrong>(sqlite)?;
    let wrong = wrong.into_iter().map(|row| (row.chain, row.position)).collect();
    Ok(Some(Checked { last, wrong }))
}
