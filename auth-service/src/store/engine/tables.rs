//! Which tables are there: those of a running service may have been dropped, or may never have been made.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;

use crate::store::engine::connection::Connection;
use crate::store::engine::migrations;
use crate::store::error::StoreError;

/// Every table of `schema.rs`, and the one that the migrations keep.
pub(in crate::store) const TABLES: [&str; 16] = [
    migrations::TABLE,
    "users",
    "resting_names",
    "sessions",
    "keys",
    "issuance",
    "processes",
    "probes",
    "master_keys",
    "status_lists",
    "revocations",
    "clients",
    "guesses",
    "stand_ins",
    "audit_events",
    "audit_heads",
];

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Whether the database has this table.
pub(in crate::store) fn has(connection: &mut Connection, table: &str) -> Result<bool, StoreError> {
    Ok(present(connection)?.iter().any(|name| name == table))
}

/// What the database lacks of what this program needs: tables by name, and migrations that were reverted.
///
/// # Errors
/// The database's.
pub fn missing(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    let present = present(connection)?;
    let absent = |table: &&str| !present.iter().any(|name| name == table);
    let mut missing: Vec<String> = TABLES.into_iter().filter(absent).map(str::to_owned).collect();
    if missing.is_empty() {
        let pending = migrations::pending(connection)?;
        missing.extend(pending.into_iter().map(|version| format!("migration {version}")));
    }
    Ok(missing)
}

/// The names of all tables.
fn present(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    let names: Vec<Name> = match connection {
        Connection::Sqlite(sqlite) => {
            sql_query("SELECT name FROM sqlite_master WHERE type = 'table'").load(sqlite)?
        }
        // Only those that a query without a schema's name finds.
        Connection::Postgres(postgres) => sql_query(
            "SELECT relname::text AS name FROM pg_catalog.pg_class \
             WHERE relkind IN ('r', 'p') AND pg_catalog.pg_table_is_visible(oid) \
             AND relnamespace <> 'pg_catalog'::regnamespace",
        )
        .load(postgres)?,
    };
    Ok(names.into_iter().map(|name| name.name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_the_schema_is_looked_for() {
        let schema = include_str!("../schema.rs");
        let declared = schema.split("diesel::table! {").skip(1);
        let mut declared: Vec<&str> = declared.map(|text| text.split(" (").next().unwrap().trim()).collect();
        declared.push(migrations::TABLE);
        let mut known = TABLES.to_vec();
        declared.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, declared);
    }
}
