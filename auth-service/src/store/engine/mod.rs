//! The two databases: connections, the pool, SQLite's writer, transactions, migrations, and health.

pub mod connection;
mod connector;
pub(in crate::store) mod locks;
pub mod migrations;
mod pool;
pub mod postgres_url;
pub mod probe;
pub mod store;
pub(in crate::store) mod tables;
pub mod wal;
mod watch;
mod writer;
