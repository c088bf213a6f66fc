//! Files that their owner alone can read, written as a whole: after a crash a file has its old content or its new one.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::time::Duration;

use tempfile::{Builder, NamedTempFile};

/// How the names of drafts end.
const DRAFT: &str = ".draft";
/// A draft that is older than this was left by a process that crashed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Replaces the file at `path`, or makes it. Other processes may do so at the same moment; one of them wins.
///
/// # Errors
/// The draft cannot be written or put into place: the file is as it was. Or the folder cannot be synchronised: the file
/// is new, and may be the old one after a crash.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    remove_abandoned_drafts(path)?;
    draft(path, content)?.persist(path)?;
    sync(folder_of(path))
}

/// Makes the file at `path` unless it exists; returns whether it was made.
///
/// # Errors
/// As for [`replace`].
pub fn create(path: &Path, content: &[u8]) -> io::Result<bool> {
    remove_abandoned_drafts(path)?;
    match draft(path, content)?.persist_noclobber(path) {
        Ok(_) => sync(folder_of(path)).map(|()| true),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    }
}

/// Writes a draft beside the file: a new file with a random name and mode 0600, so that no link is followed.
fn draft(path: &Path, content: &[u8]) -> io::Result<NamedTempFile> {
    let mut draft = Builder::new().prefix(&prefix(path)).suffix(DRAFT).tempfile_in(folder_of(path))?;
    draft.write_all(content)?;
    draft.as_file().sync_all()?;
    Ok(draft)
}

fn remove_abandoned_drafts(path: &Path) -> io::Result<()> {
    let prefix = prefix(path);
    for entry in fs::read_dir(folder_of(path))? {
        let entry = entry?;
        if is_draft(&entry.file_name(), &prefix) {
            let age = entry.metadata().and_then(|found| found.modified()).map(|modified| modified.elapsed());
            if matches!(age, Ok(Ok(age)) if age > ABANDONED) {
                let _ = fs::remove_file(entry.path()); // another process may have removed it
            }
        }
    }
    Ok(())
}

fn is_draft(name: &OsStr, prefix: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(prefix.as_encoded_bytes()) && name.ends_with(DRAFT.as_bytes())
}

/// `.marks.json.` for `marks.json`.
fn prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".");
    prefix
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
