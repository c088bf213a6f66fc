//! Every test of `tests/api` on PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod api;
mod database;

/// The database of the services of these tests.
const DATABASE: database::Database = database::Database::Postgresql;
