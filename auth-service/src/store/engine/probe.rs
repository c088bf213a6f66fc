//! Finds out whether the database does its work: by a write and a look at every table, at most once a second.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use service_kit::storage::free_bytes;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::store::engine::connection::{Connection, Database};
use crate::store::engine::watch::{Access, Watch};
use crate::store::error::StoreError;
use crate::store::schema::probes::dsl;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// The one row that is counted up.
const ROW: i64 = 1;
/// How every file of SQLite's begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// One row of each is read: of a damaged table that shows at its root.
const TABLES: [&str; 9] = [
    "issuance",
    "keys",
    "users",
    "sessions",
    "revocations",
    "status_lists",
    "clients",
    "audit_events",
    "audit_heads",
];

/// How the database is.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// Why it does not answer.
    pub unreadable: Option<StoreError>,
    /// Why it takes no writes although it answers.
    pub unwritable: Option<StoreError>,
    /// How it is damaged.
    pub corrupt: Option<StoreError>,
    /// How many bytes are free where SQLite's file is; `None` for a database elsewhere.
    pub free_bytes: Option<u64>,
}

/// The newest look. Clones share it.
#[derive(Debug, Clone)]
pub(in crate::store) struct Probe {
    file: Option<Arc<Path>>,
    /// Whether the newest look did not end in time.
    late: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    at: Option<Instant>,
    free_bytes: Option<u64>,
}

impl Probe {
    pub(in crate::store) fn of(database: &Database) -> Self {
        let file = match database {
            Database::Sqlite { path, .. } => Some(Path::new(path).into()),
            Database::Postgres { .. } => None,
        };
        Self { file, late: Arc::default(), seen: Arc::default() }
    }

    /// Finds out how the database is, within `patience`. `exercise` is a write and then a read ([`count_up`],
    /// [`look_at_tables`]), whose failures are in `watch` afterwards; it runs once a second at most.
    pub(in crate::store) async fn look(
        &self,
        watch: &Watch,
        exercise: impl Future<Output = ()>,
        patience: Duration,
    ) -> Health {
        let look = async {
            let mut seen = self.seen.lock().await;
            if seen.at.is_none_or(|at| at.elapsed() >= EVERY) {
                seen.at = Some(Instant::now());
                ((), seen.free_bytes) = tokio::join!(self.ask(watch, exercise), self.free_bytes());
                self.late.store(false, Ordering::Release);
            }
            seen.free_bytes
        };
        let free_bytes = timeout(patience, look).await.unwrap_or_else(|_| {
            self.late.store(true, Ordering::Release);
            None
        });
        let late = self.late.load(Ordering::Acquire).then(StoreError::timeout);
        Health {
            unreadable: watch.unreadable().or(late),
            unwritable: watch.unwritable(),
            corrupt: watch.corrupt(),
            free_bytes,
        }
    }

    async fn ask(&self, watch: &Watch, exercise: impl Future<Output = ()>) {
        if let Some(file) = self.file.clone()
            && let Ok(Err(error)) = spawn_blocking(move || check_head(&file)).await
        {
            watch.failed(Access::Read, &error);
        }
        exercise.await;
    }

    async fn free_bytes(&self) -> Option<u64> {
        let folder: PathBuf = self.file.as_ref()?.parent()?.to_owned();
        spawn_blocking(move || free_bytes(&folder)).await.ok()?.ok()
    }
}

/// Whether the file still is one of SQLite's. A connection that remembers the first page would not notice.
fn check_head(file: &Path) -> Result<(), StoreError> {
    let mut head = [0; MAGIC.len()];
    match File::open(file).and_then(|mut file| file.read_exact(&mut head)) {
        Ok(()) if &head == MAGIC => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Ok(()), // SQLite says it better
        _ => Err(StoreError::Corrupt(format!("{} is not a database any more", file.display()))),
    }
}

/// The write.
pub(in crate::store) fn count_up(connection: &mut Connection) -> Result<(), StoreError> {
    // A value that changes: SQLite writes nothing when a row stays as it is.
    diesel::update(dsl::probes.find(ROW)).set(dsl::tries.eq(dsl::tries + 1)).execute(connection)?;
    Ok(())
}

/// The read.
pub(in crate::store) fn look_at_tables(connection: &mut Connection) -> Result<(), StoreError> {
    for table in TABLES {
        diesel::sql_query(format!("SELECT 1 FROM {table} LIMIT 1")).execute(connection)?;
    }
    Ok(())
}
