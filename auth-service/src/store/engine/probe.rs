//! Checks that the database works: a write, and a read of every important table, at most once a second.

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

/// Between two checks.
const EVERY: Duration = Duration::from_secs(1);
/// The row that is incremented.
const ROW: i64 = 1;
/// The start of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// One row of each is read. Damage shows at the root of a table.
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

/// The health of the database.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// Why it does not answer.
    pub unreadable: Option<StoreError>,
    /// Why it takes no writes although it answers.
    pub unwritable: Option<StoreError>,
    /// How it is damaged.
    pub corrupt: Option<StoreError>,
    /// Free bytes on the disk of SQLite's file; `None` for PostgreSQL.
    pub free_bytes: Option<u64>,
}

/// The newest check. Clones share it.
#[derive(Debug, Clone)]
pub(in crate::store) struct Probe {
    file: Option<Arc<Path>>,
    /// Whether the newest check did not end in time.
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

    /// Checks the database within `patience`. `exercise` is a write and then a read ([`count_up`],
    /// [`look_at_tables`]), whose failures are in `watch` afterwards; it runs at most once a second.
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

/// Checks that the file is still an SQLite file. A connection that has cached the first page would not notice.
fn check_head(file: &Path) -> Result<(), StoreError> {
    let mut head = [0; MAGIC.len()];
    match File::open(file).and_then(|mut file| file.read_exact(&mut head)) {
        Ok(()) if &head == MAGIC => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Ok(()), // SQLite reports it with more detail
        _ => Err(StoreError::Corrupt(format!("{} is not a database any more", file.display()))),
    }
}

/// The write.
pub(in crate::store) fn count_up(connection: &mut Connection) -> Result<(), StoreError> {
    // The value changes, because SQLite does not write a row that stays as it is.
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
