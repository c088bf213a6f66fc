//! Detects a write-ahead log that belongs to another SQLite file than the one beside it.
//!
//! SQLite applies any log beside a file. The log of a file that was replaced brings back what a restore removed, or damages the
//! new file. A log does not name its file. But a file is written by its own log before the log's last commit, and a file that was
//! put in place after that has changed since.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

/// A write-ahead log does not belong to the file.
#[derive(Debug, thiserror::Error)]
#[error(
    "{database} was changed after {wal} was written last, so that this write-ahead log may be of another file, and would \
     overwrite a restored one. If {database} was restored, delete {wal} and {shm}. If it was not, because the service was \
     killed, start the service and stop it once: that empties the log"
)]
pub struct ForeignWal {
    database: String,
    wal: String,
    shm: String,
}

/// Refuses a write-ahead log that is older than the last change of its database. Must run before anything opens the database.
///
/// # Errors
/// The log is older.
pub fn refuse_foreign(url: &SecretString) -> Result<(), ForeignWal> {
    let Some(database) = url.expose_secret().strip_prefix("sqlite://") else { return Ok(()) };
    let beside = |end: &str| format!("{database}{end}");
    let (wal, shm) = (beside("-wal"), beside("-shm"));
    let (Ok(file), Ok(log)) = (fs::metadata(PathBuf::from(database)), fs::metadata(&wal)) else {
        return Ok(());
    };
    if log.len() == 0 || changed(&file) <= written(&log) {
        return Ok(());
    }
    Err(ForeignWal { database: database.to_owned(), wal, shm })
}

/// Returns when the file was written or put in place (`ctime`), which a copy does not preserve.
fn changed(file: &Metadata) -> (i64, i64) {
    (file.ctime(), file.ctime_nsec())
}

fn written(file: &Metadata) -> (i64, i64) {
    (file.mtime(), file.mtime_nsec())
}
