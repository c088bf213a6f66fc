//! What keeps the service from its work, by name. `/readyz` returns it, and requests that could not be served right are
//! refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::domain::clock::DatabaseClock;
use crate::domain::keyring::Keyring;
use crate::domain::marks::Marks;
use crate::store::engine::migrations;
use crate::store::engine::probe::Health;
use crate::store::engine::store::Store;

/// The shortest time between two checks of the tables.
const TABLES_INTERVAL: Duration = Duration::from_secs(1);

/// Knows what keeps the service from its work.
pub struct Readiness {
    store: Store,
    keyring: Arc<Keyring>,
    marks: Arc<Marks>,
    clock: DatabaseClock,
    /// With fewer bytes left on the disk of an embedded database the service is not ready.
    min_free: u64,
    /// Whether tables are missing. Each request asks.
    tables_missing: AtomicBool,
    /// When the tables were last checked.
    tables_checked: Mutex<Option<Instant>>,
}

/// How long the database may take, so that an answer takes less than a second.
const PATIENCE: Duration = Duration::from_millis(900);

/// What is still served while something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Serves {
    /// Only `/livez` and `/readyz`.
    Nothing,
    /// Requests that change nothing.
    Reads,
    /// Everything is attempted, and much of it may fail.
    Attempts,
    /// Everything. Operators should know of it.
    Everything,
}

/// A fault.
#[derive(Debug, Clone)]
pub struct Reason {
    /// Stable and machine-readable.
    pub name: &'static str,
    /// One sentence for an operator.
    pub detail: String,
    /// What is still served.
    pub serves: Serves,
}

impl Reason {
    fn new(name: &'static str, serves: Serves, detail: impl Into<String>) -> Self {
        Self { name, detail: detail.into(), serves }
    }
}

impl Readiness {
    /// Creates it over what can fail.
    #[must_use]
    pub fn new(
        store: Store,
        keyring: Arc<Keyring>,
        marks: Arc<Marks>,
        clock: DatabaseClock,
        min_free: u64,
    ) -> Self {
        let (tables_missing, tables_checked) = (AtomicBool::new(false), Mutex::default());
        Self { store, keyring, marks, clock, min_free, tables_missing, tables_checked }
    }

    /// Returns all faults, the gravest first. The database is asked. Takes less than a second.
    pub async fn check(&self) -> Vec<Reason> {
        // A database that was set back is not written to.
        if self.marks.is_behind() {
            return self.reasons();
        }
        let tables = tokio::time::timeout(PATIENCE, self.check_tables());
        let (_, health) = tokio::join!(tables, self.store.health(PATIENCE));
        let mut reasons = self.reasons();
        reasons.extend(faults_of(&health, self.min_free));
        reasons.sort_by_key(|reason| reason.serves);
        reasons
    }

    /// Returns the known faults, the gravest first. The database is not asked.
    #[must_use]
    pub fn reasons(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if self.marks.is_behind() {
            let detail = "The database is older than what was answered from it before; an operator has to run \
                          `auth-service recover`.";
            reasons.push(Reason {
                name: DATABASE_BEHIND,
                detail: detail.to_owned(),
                serves: Serves::Nothing,
            });
        }
        if self.tables_missing.load(Ordering::Acquire) {
            let detail = "The database lacks tables (the log says which): they were dropped, or migrations were reverted. \
                          `auth-service migrate` makes them, empty; a backup holds what was in them.";
            reasons.push(Reason { name: TABLES_MISSING, detail: detail.to_owned(), serves: Serves::Nothing });
        }
        if self.keyring.is_closed() {
            let detail = "The database has keys that this replica cannot read, or cannot open with its master key: \
                          nothing is signed.";
            reasons.push(Reason { name: KEYS_NOT_LOADED, detail: detail.to_owned(), serves: Serves::Reads });
        }
        if self.marks.is_unsaved() {
            let detail = "Marks cannot be kept in the data folder (the log says why): whether the database was set back \
                          is known only while this process runs.";
            reasons.push(Reason {
                name: MARKS_NOT_KEPT,
                detail: detail.to_owned(),
                serves: Serves::Everything,
            });
        }
        if self.clock.in_doubt() {
            let detail = "The clock disagreed with the time that passed within the last hour: nothing is deleted, and what \
                          time alone would end is answered with 503.";
            reasons.push(Reason {
                name: CLOCK_IN_DOUBT,
                detail: detail.to_owned(),
                serves: Serves::Everything,
            });
        }
        reasons.sort_by_key(|reason| reason.serves);
        reasons
    }

    /// Checks whether the database has the tables that the service needs, at most once a second. While the database does not
    /// answer, nothing changes.
    pub async fn check_tables(&self) {
        let mut checked = self.tables_checked.lock().await;
        if checked.is_some_and(|at| at.elapsed() < TABLES_INTERVAL) {
            return;
        }
        let Ok(missing) = self.store.read(migrations::missing).await else { return };
        *checked = Some(Instant::now());
        let before = self.tables_missing.swap(!missing.is_empty(), Ordering::AcqRel);
        match (before, missing.is_empty()) {
            (false, false) => log::error!("the database lacks {}: nothing is served", missing.join(", ")),
            (true, true) => log::warn!("the database has all its tables again"),
            _ => {}
        }
    }

    /// Returns why a request is not served, if it is not. Called for each request.
    #[must_use]
    pub fn refuses(&self, changes_nothing: bool) -> Option<&'static str> {
        if self.marks.is_behind() {
            return Some(DATABASE_BEHIND);
        }
        if self.tables_missing.load(Ordering::Acquire) {
            return Some(TABLES_MISSING);
        }
        (self.keyring.is_closed() && !changes_nothing).then_some(KEYS_NOT_LOADED)
    }
}

/// Returns the faults of a database. The details are public; the database's own messages are in the log.
fn faults_of(health: &Health, min_free: u64) -> Vec<Reason> {
    let mut found = Vec::new();
    if health.unreadable.is_some() {
        let detail = "The database does not answer, or not in time; the log says why.";
        found.push(Reason::new(STORE_UNAVAILABLE, Serves::Attempts, detail));
    }
    if health.corrupt.is_some() {
        let detail =
            "The database is damaged: stop the service, and put a backup in its place (docs/operations.md).";
        found.push(Reason::new(DATABASE_CORRUPT, Serves::Attempts, detail));
    }
    if health.unwritable.is_some() {
        let detail = "The database takes no writes; the log says why.";
        found.push(Reason::new(WRITES_FAILING, Serves::Attempts, detail));
    }
    if let Some(free) = health.free_bytes.filter(|free| *free < min_free) {
        let detail =
            format!("The disk of the database has {free} bytes left, and storage.min_free is {min_free}.");
        found.push(Reason::new(DISK_FULL, Serves::Attempts, detail));
    }
    found
}

const STORE_UNAVAILABLE: &str = "store_unavailable";
const DATABASE_CORRUPT: &str = "database_corrupt";
const WRITES_FAILING: &str = "writes_failing";
const DISK_FULL: &str = "disk_full";
const DATABASE_BEHIND: &str = "database_behind";
const TABLES_MISSING: &str = "tables_missing";
const KEYS_NOT_LOADED: &str = "keys_not_loaded";
const CLOCK_IN_DOUBT: &str = "clock_in_doubt";
const MARKS_NOT_KEPT: &str = "marks_not_kept";
