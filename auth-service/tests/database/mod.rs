//! The databases that tests run on. A test that needs PostgreSQL fails where there is none: nothing is skipped silently.

#![allow(unreachable_pub, reason = "a test program has no public items")]
pub mod postgresql;

use std::path::Path;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "each test program is about one of them")]
pub enum Database {
    Sqlite,
    Postgresql,
}

impl Database {
    /// The URL of a database of the test's own, empty; SQLite's lies in `folder`.
    #[allow(dead_code, reason = "not every test program needs an empty one")]
    pub fn fresh_url(self, folder: &Path) -> String {
        match self {
            Self::Sqlite => format!("sqlite://{}/auth.db", folder.display()),
            Self::Postgresql => postgresql::shared().fresh_database(),
        }
    }
}
