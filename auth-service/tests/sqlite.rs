//! Every test of `tests/api` on SQLite.

#![allow(unreachable_pub, reason = "a test program has no public items")]

mod api;
mod database;

/// What the services of these tests keep their data in.
const DATABASE: database::Database = database::Database::Sqlite;
