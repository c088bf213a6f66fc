//! Checks whether the database works: by a write, and a read of every table.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use service_kit::causes;
use service_kit::storage::free_bytes;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::database::Store;
use super::error::StoreError;
use super::schema::{comments, probes, records};

/// The least time between two checks.
const EVERY: Duration = Duration::from_secs(1);
/// The id of the one row, whose counter each check increments.
const ROW: i64 = 1;

/// The state of the database.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Health {
    /// Whether it cannot be read, or not in time.
    pub(crate) unreadable: bool,
    /// Whether it takes no writes.
    pub(crate) unwritable: bool,
    /// Free bytes on its disk.
    pub(crate) free_bytes: Option<u64>,
}

/// Checks the database, and remembers the result.
#[derive(Debug)]
pub(crate) struct Probe {
    store: Store,
    /// The folder of the database.
    folder: Arc<Path>,
    seen: Mutex<Seen>,
    /// Whether the newest check did not end in time.
    late: AtomicBool,
}

#[derive(Debug, Default)]
struct Seen {
    at: Option<Instant>,
    health: Health,
}

impl Probe {
    pub(crate) fn new(store: Store, folder: &Path) -> Self {
        Self { store, folder: folder.into(), seen: Mutex::default(), late: AtomicBool::default() }
    }

    /// Returns how the database is, after at most `patience`. Checks it at most once a second.
    pub(crate) async fn health(&self, patience: Duration) -> Health {
        let check = async {
            let mut seen = self.seen.lock().await;
            if seen.at.is_none_or(|at| at.elapsed() >= EVERY) {
                seen.at = Some(Instant::now());
                let before = seen.health;
                seen.health = self.check(before).await;
                self.late.store(false, Ordering::Release);
            }
            seen.health
        };
        let found = timeout(patience, check).await;
        let health = found.unwrap_or_else(|_| {
            self.late.store(true, Ordering::Release);
            Health::default()
        });
        Health { unreadable: health.unreadable || self.late.load(Ordering::Acquire), ..health }
    }

    /// Writes, and then reads: the write invalidates the page caches of SQLite's readers.
    async fn check(&self, before: Health) -> Health {
        let written = self.store.write(increment).await;
        let read = self.store.read(read_tables).await;
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

/// Logs when an operation begins to fail, and when it works again.
fn report(what: &str, failed_before: bool, error: Option<StoreError>) {
    match error {
        Some(error) if !failed_before => {
            log::error!("the database is not ready, {what}: {}", causes(&error));
        }
        None if failed_before => log::warn!("the database has recovered from: {what}"),
        _ => {}
    }
}

fn increment(connection: &mut SqliteConnection) -> QueryResult<()> {
    // A value that changes: SQLite writes nothing when a row stays as it is.
    diesel::update(probes::table.find(ROW)).set(probes::tries.eq(probes::tries + 1)).execute(connection)?;
    Ok(())
}

fn read_tables(connection: &mut SqliteConnection) -> QueryResult<()> {
    comments::table.select(comments::id).first::<String>(connection).optional()?;
    records::table.select(records::id).first::<String>(connection).optional()?;
    Ok(())
}
