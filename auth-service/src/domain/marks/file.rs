//! `marks.json`: replaced as a whole, under a lock that all processes with the same data folder take.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use service_kit::private_file;

use crate::domain::marks::book::Book;

const NAME: &str = "marks.json";
const LOCK: &str = "marks.lock";
/// Nobody holds the lock for longer, unless it was stopped in the middle.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(5);

/// Why marks cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum MarksError {
    /// The file holds something else.
    #[error(
        "{0} is not what this program wrote, so it cannot be known whether the database was set back: move it away, and \
         if the database may be older than what was answered, run `auth-service recover`"
    )]
    Unreadable(PathBuf),
    /// The folder, or a file in it, cannot be read or written.
    #[error("cannot keep marks in {0}: {1}")]
    Folder(PathBuf, io::Error),
}

#[derive(Debug)]
pub(super) struct MarksFile {
    path: PathBuf,
    lock: PathBuf,
}

impl MarksFile {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join(NAME), lock: folder.join(LOCK) }
    }

    pub(super) fn read(&self) -> Result<Book, MarksError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|_| MarksError::Unreadable(self.path.clone()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Book::default()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Adds to the file what it lacks of `book`; gives everything that is in it then.
    pub(super) fn merge(&self, book: Book, now: i64) -> Result<Book, MarksError> {
        let _locked = self.locked().map_err(|error| self.failed(error))?;
        let before = self.read()?;
        let mut merged = before.clone();
        merged.merge(book);
        let changed = merged.beyond(&before);
        if merged == before && self.path.exists() {
            return Ok(merged);
        }
        merged.date(&changed, now);
        // An integer is a key of JSON as well; nothing else in a book could fail.
        let bytes = serde_json::to_vec_pretty(&merged).map_err(|error| self.failed(error.into()))?;
        private_file::replace(&self.path, &bytes).map_err(|error| self.failed(error))?;
        Ok(merged)
    }

    /// Taken until the file is closed. The lock is another file, because this one is replaced.
    fn locked(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let (file, begin) = (options.open(&self.lock)?, Instant::now());
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if begin.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(ErrorKind::TimedOut, "another process holds marks.lock"));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    fn failed(&self, error: io::Error) -> MarksError {
        MarksError::Folder(self.path.clone(), error)
    }
}
