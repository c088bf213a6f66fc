//! The databases that tests run on. A test that needs PostgreSQL fails where it is not installed: nothing is skipped silently.

#![allow(unreachable_pub, reason = "a test program has no public items")]
pub mod postgresql;

use std::path::Path;

/// The kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "some test programs use only one of them")]
pub enum Database {
    Sqlite,
    Postgresql,
}

impl Database {
    /// Returns the URL of a new empty database; an SQLite database is in `folder`.
    #[allow(dead_code, reason = "some test programs do not use it")]
    pub fn fresh_url(self, folder: &Path) -> String {
        match self {
            Self::Sqlite => format!("sqlite://{}/auth.db", folder.display()),
            Self::Postgresql => postgresql::shared().fresh_database(),
        }
    }
}
