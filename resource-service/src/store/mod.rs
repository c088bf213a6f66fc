//! The SQLite database of this service: a file for each table. Nothing here depends on HTTP or tokens.

pub(crate) mod comments;
mod database;
mod error;
mod ids;
mod probe;
pub(crate) mod records;
mod schema;

pub(crate) use database::Store;
pub(crate) use error::StoreError;
pub(crate) use probe::{Health, Probe};
