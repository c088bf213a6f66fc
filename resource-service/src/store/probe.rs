//! Finds out whether the database does its work: by a write and a look at every table, at most once a second.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use service_kit::storage::free_bytes;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::schema::{comments, probes, records};
use super::{Store, StoreError};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// The one row that is counted up.
const ROW: i64 = 1;

/// How the database is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Health {
    /// Whether it cannot be read, or not in time.
    pub(crate) unreadable: bool,
    /// Whether it takes no writes.
    pub(crate) unwritable: bool,
    /// How many bytes are free on its disk.
    pub(crate) free_bytes: Option<u64>,
}

/// The newest look. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    folder: Arc<Path>,
    seen: Arc<Mutex<Seen>>,
    /// Whether the newest look did not end in time.
    late: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Seen {
    at: Option<Instant>,
    health: Health,
}

impl Probe {
    pub(super) fn of(file: &Path) -> Self {
        let folder = file.parent().unwrap_or(file).into();
        Self { folder, seen: Arc::default(), late: Arc::default() }
    }

    pub(super) async fn look(&self, store: &Store, patience: Duration) -> Health {
        let look = async {
            let mut seen = self.seen.lock().await;
            if seen.at.is_none_or(|at| at.elapsed() >= EVERY) {
                seen.at = Some(Instant::now());
                let before = seen.health;
                seen.health = self.ask(store, before).await;
                self.late.store(false, Ordering::Release);
            }
            seen.health
        };
        let found = timeout(patience, look).await;
        let health = found.unwrap_or_else(|_| {
            self.late.store(true, Ordering::Release);
            Health::default()
        });
        Health { unreadable: health.unreadable || self.late.load(Ordering::Acquire), ..health }
    }

    /// Writes, and then reads: the write makes SQLite's readers forget the pages that they remember.
    async fn ask(&self, store: &Store, before: Health) -> Health {
        let written = store.write(count_up).await;
        let read = store.read(look_at_tables).await;
        let folder = Arc::clone(&self.folder);
        let free = spawn_blocking(move || free_bytes(&folder)).await;
        let health = Health {
            unreadable: read.is_err(),
            unwritable: written.is_err(),
            free_bytes: free.ok().and_then(Result::ok),
        };
        report("it cannot be read", before.unreadable, read.err());
        report("it takes no writes", before.unwritable, written.err());
        health
    }
}

/// Writes a line when something begins to fail, and one when it works again.
fn report(what: &str, failed_before: bool, error: Option<StoreError>) {
    match error {
        Some(error) if !failed_before => log::error!("the database is not ready, {what}: {error}"),
        None if failed_before => log::warn!("the database is back from what was wrong: {what}"),
        _ => {}
    }
}

fn count_up(connection: &mut SqliteConnection) -> QueryResult<()> {
    // A value that changes: SQLite writes nothing when a row stays as it is.
    diesel::update(probes::table.find(ROW)).set(probes::tries.eq(probes::tries + 1)).execute(connection)?;
    Ok(())
}

fn look_at_tables(connection: &mut SqliteConnection) -> QueryResult<()> {
    comments::table.select(comments::id).first::<String>(connection).optional()?;
    records::table.select(records::id).first::<String>(connection).optional()?;
    Ok(())
}
