//! Which tables exist. The tables of a running service may have been dropped, or may never have been created.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;

use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;

/// The table in which Diesel keeps the versions of the migrations that were applied.
pub(in crate::store) const MIGRATIONS: &str = "__diesel_schema_migrations";

/// Every table of `schema.rs`, and Diesel's own.
pub(in crate::store) const TABLES: [&str; 16] = [
    MIGRATIONS,
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

/// Returns the tables that the database lacks.
pub(in crate::store) fn absent(connection: &mut Connection) -> Result<Vec<&'static str>, StoreError> {
    let present = present(connection)?;
    Ok(TABLES.into_iter().filter(|table| !present.iter().any(|name| name == table)).collect())
}

/// Returns the names of all tables.
fn present(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    let names: Vec<Name> = match connection {
        Connection::Sqlite(sqlite) => {
            sql_query("SELECT name FROM sqlite_master WHERE type = 'table'").load(sqlite)?
        }
        // Only tables that a query without a schema name finds.
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
        declared.push(MIGRATIONS);
        let mut known = TABLES.to_vec();
        declared.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, declared);
    }
}
