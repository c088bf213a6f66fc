//! A file for its owner's eyes alone, which is there whole or not at all.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{self, Read, Write},
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

/// A larger one is not read, in bytes.
const MAX_SIZE: u64 = 256 * 1024 * 1024;
const DRAFT: &str = ".draft";
/// Nobody writes for so long.
const ABANDONED: Duration = Duration::from_secs(600);

pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_SIZE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Replaces the file by a new one with mode 0600; what is there after a crash is the old one or the new one.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A draft of its own: others that share the folder write at the same moment, since they hear the same news. The number
    // of the process would not do: in two containers it is the same.
    let random = RandomState::new().build_hasher().finish();
    let draft = path.with_extension(format!("{random:016x}{DRAFT}"));
    let written = write_new(&draft, bytes).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft); // the first error is the one to tell
    }
    written?;
    sync_folder(path)
}

/// Deletes the drafts that crashes have left beside the file; it is `now`, in seconds since 1970.
pub(super) fn tidy(path: &Path, now: u64) -> io::Result<()> {
    let (Some(folder), Some(stem)) = (path.parent(), path.file_stem().and_then(OsStr::to_str)) else {
        return Ok(());
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(stem)?.strip_suffix(DRAFT));
        let is_draft = random.is_some_and(|random| random.starts_with('.'));
        if is_draft && entry.metadata()?.modified()? + ABANDONED < UNIX_EPOCH + Duration::from_secs(now) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The new name is on disk as well. Elsewhere than on Unix, folders cannot be opened.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => {
            File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all()
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn those_that_share_a_file_write_it_at_the_same_moment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("verifier.json");
        thread::scope(|scope| {
            for byte in 0..8_u8 {
                let path = &path;
                scope.spawn(move || (0..50).for_each(|_| write(path, &[byte; 4096]).unwrap()));
            }
        });
        let bytes = read(&path).unwrap();
        assert!(
            bytes.len() == 4096 && bytes.iter().all(|byte| *byte == bytes[0]),
            "it is one of them, and whole"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn drafts_that_a_crash_has_left_are_deleted_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("verifier.json");
        let now = 1_800_000_000;
        let file = |name: &str, seconds: u64| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        };
        let old = now - ABANDONED.as_secs() - 1;
        file("verifier.json", old);
        file("verifier.00112233.draft", old);
        file("verifier.44556677.draft", now);
        file("other.00112233.draft", old);
        tidy(&path, now).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["other.00112233.draft", "verifier.44556677.draft", "verifier.json"]);
    }
}
