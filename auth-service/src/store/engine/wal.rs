//! SQLite's write-ahead log beside a file that was put in place of another.
//!
//! SQLite applies any log beside a file: one that another file left behind brings back what was restored away, or
//! damages it. Nothing in a log names its file. But a file that is written into by its own log is written before the log's last
//! commit, and a file that is put in place after that has changed since.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

/// A write-ahead log is not the file's.
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

/// Refuses a write-ahead log that is older than the last change of its database. To be asked before anything opens that.
///
/// # Errors
/// [`ForeignWal`].
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

/// When the file was written or put here. Unlike the time of its content, no copy brings this along.
fn changed(file: &Metadata) -> (i64, i64) {
    (file.ctime(), file.ctime_nsec())
}

fn written(file: &Metadata) -> (i64, i64) {
    (file.mtime(), file.mtime_nsec())
}
