//! The database: a file for each table, and `engine`. The same queries serve SQLite and PostgreSQL. Nothing here knows the rules
//! of the domain or HTTP. `engine/locks.rs` says in which order transactions lock rows.

pub mod audit_events;
pub mod audit_heads;
pub mod audit_types;
pub mod clients;
pub mod engine;
pub mod error;
pub mod guesses;
pub mod issuance;
pub mod keys;
pub mod master_keys;
pub mod processes;
pub mod resting_names;
pub mod revocations;
mod schema;
pub mod sessions;
pub mod stand_ins;
pub mod status_lists;
pub mod user_addresses;
pub mod users;
