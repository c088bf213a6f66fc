//! Reads and writes a file that only its owner can access. Writes are atomic.
//!
//! A file is not read if another user may have written it: the file and its folder must belong to this user, and no other
//! user may write to them. In a folder that others may write to, the file gets a private subfolder. This applies to Unix;
//! elsewhere, the permissions are the system's.

use std::{
    ffi::OsStr,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 256 * 1024 * 1024;
const DRAFT: &str = ".draft";
/// A draft that is older than this was left by a crash.
const ABANDONED: Duration = Duration::from_secs(600);

/// The reason why a file is not read or written.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(not(unix), expect(dead_code, reason = "permissions are only checked on Unix"))]
pub(super) enum NotPrivate {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{0} is a symbolic link, or not a regular file: delete it")]
    NoFile(PathBuf),
    #[error(
        "{0} belongs to another user: delete it, or change its owner to the user that this service runs as"
    )]
    Foreign(PathBuf),
    #[error("others may write to {0}: delete it, or remove their permission (chmod go-w)")]
    Writable(PathBuf),
    #[error("others may write to the folder {folder}, and {private} in it cannot be made private: {why}")]
    Shared { folder: PathBuf, private: PathBuf, why: Box<NotPrivate> },
}

/// Returns where the file at `path` is kept: there, or in a private subfolder if others may write to the folder. The
/// subfolder is created.
pub(super) fn place(path: &Path) -> Result<PathBuf, NotPrivate> {
    let folder = folder_of(path);
    let metadata = fs::metadata(folder)?;
    match check(folder, &metadata) {
        Ok(()) => Ok(path.to_owned()),
        Err(_) => shared(folder, path),
    }
}

#[cfg(unix)]
fn shared(folder: &Path, path: &Path) -> Result<PathBuf, NotPrivate> {
    let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or("private");
    let private = folder.join(format!("{stem}-{}", own_user()));
    match make_private(&private) {
        Ok(()) => Ok(private.join(path.file_name().unwrap_or(OsStr::new("file")))),
        Err(why) => Err(NotPrivate::Shared { folder: folder.to_owned(), private, why: Box::new(why) }),
    }
}

#[cfg(not(unix))]
fn shared(_: &Path, path: &Path) -> Result<PathBuf, NotPrivate> {
    Ok(path.to_owned())
}

/// Creates the folder with mode 0700, or checks that it is a folder of this user. If others could write to it, its content
/// is not trusted and is deleted.
#[cfg(unix)]
fn make_private(folder: &Path) -> Result<(), NotPrivate> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};

    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return Ok(made?),
    }
    let metadata = fs::symlink_metadata(folder)?;
    if !metadata.is_dir() {
        return Err(NotPrivate::NoFile(folder.to_owned()));
    }
    match check(folder, &metadata) {
        Err(NotPrivate::Writable(_)) => {
            // Kubernetes lets the group of a volume write to everything in it.
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
            let entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
            if !entries.is_empty() {
                log::warn!(
                    "others could write to the folder {}: its content is not trusted and was deleted. It is private \
                     again. Keep it so (in Kubernetes, with fsGroupChangePolicy: OnRootMismatch)",
                    folder.display()
                );
            }
            entries.into_iter().try_for_each(|entry| fs::remove_file(entry.path()))?;
            Ok(())
        }
        checked => checked,
    }
}

/// Checks that it belongs to this user, and that no other user may write to it.
#[cfg(unix)]
fn check(path: &Path, metadata: &Metadata) -> Result<(), NotPrivate> {
    use std::os::unix::fs::MetadataExt as _;

    const OTHERS_WRITE: u32 = 0o022;
    if metadata.uid() != own_user() {
        Err(NotPrivate::Foreign(path.to_owned()))
    } else if metadata.mode() & OTHERS_WRITE != 0 {
        Err(NotPrivate::Writable(path.to_owned()))
    } else {
        Ok(())
    }
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "permissions are only checked on Unix")]
fn check(_: &Path, _: &Metadata) -> Result<(), NotPrivate> {
    Ok(())
}

#[cfg(unix)]
fn own_user() -> u32 {
    nix::unistd::Uid::effective().as_raw()
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, NotPrivate> {
    let mut options = OpenOptions::new();
    options.read(true);
    // Does not follow a link, and does not block on a pipe.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK,
    );
    let file = options.open(path).map_err(|error| match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => NotPrivate::NoFile(path.to_owned()),
        _ => error.into(),
    })?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(NotPrivate::NoFile(path.to_owned()));
    }
    check(path, &metadata)?;
    let mut bytes = Vec::new();
    file.take(MAX_SIZE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Replaces the file by a new one with mode 0600. After a crash, either the old or the new one exists.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // The draft's name is random: other processes in the same folder write at the same moment, because they receive the same
    // events, and in two containers they may have the same process id.
    let draft = path.with_extension(format!("{:016x}{DRAFT}", fastrand::u64(..)));
    let written = write_new(&draft, bytes).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft); // the first error is reported
    }
    written?;
    sync_folder(path)
}

/// Deletes the drafts that crashes have left beside the file, at `now` in seconds since 1970.
pub(super) fn tidy(path: &Path, now: u64) -> io::Result<()> {
    let Some(stem) = path.file_stem().and_then(OsStr::to_str) else { return Ok(()) };
    for entry in fs::read_dir(folder_of(path))? {
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

/// Writes the new name to disk. Only on Unix can folders be opened.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder_of(path))?.sync_all() } else { Ok(()) }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn several_writers_may_replace_the_file_at_the_same_moment() {
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
    fn only_drafts_that_a_crash_has_left_are_deleted() {
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
