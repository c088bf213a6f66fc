//! Access to the files of a service: new files are private to its user, and existing files that others may access are
//! warned of.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use nix::sys::stat::{Mode, umask};
use nix::unistd::Uid;

/// Makes every file and folder that this process creates from now on private to its owner, from the first byte on. This is
/// the umask of the whole process: call it at the start of `main`, before there is another thread.
pub fn keep_new_files_private() {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
}

/// Warns when others than the owner may read or write the file at `path`, and names the command that makes it private. The
/// file is not changed: its mode may be intended. `what` names the file, as in "the database".
pub fn warn_if_shared(what: &str, path: &Path) {
    let Ok(metadata) = fs::metadata(path) else { return }; // the code that needs the file reports the error
    let shared = shared(&metadata, Uid::effective().as_raw()).filter(|_| metadata.is_file());
    if let Some(shared) = shared {
        log::warn!(
            "others may {shared} {what} {}: its mode is {:03o}. `chmod 600 {}` makes it private",
            path.display(),
            metadata.permissions().mode() & 0o777,
            path.display()
        );
    }
}

/// Warns when others than the owner may write to `path`: a file without secrets, or a folder, whose files they could replace.
pub fn warn_if_writable(what: &str, path: &Path) {
    let Ok(metadata) = fs::metadata(path) else { return };
    if shared(&metadata, Uid::effective().as_raw()).is_some_and(|how| how.contains("write")) {
        log::warn!(
            "others may change {what} {}: its mode is {:03o}. `chmod go-w {}` prevents it",
            path.display(),
            metadata.permissions().mode() & 0o777,
            path.display()
        );
    }
}

/// Warns when others than the owner may read or change a folder: files that other programs put there, such as a copy of a
/// database, are not private by themselves.
pub fn warn_if_open(what: &str, path: &Path) {
    let Ok(metadata) = fs::metadata(path) else { return };
    if let Some(shared) = shared(&metadata, Uid::effective().as_raw()) {
        log::warn!(
            "others may {shared} in {what} {}: its mode is {:03o}. `chmod 700 {}` makes it private",
            path.display(),
            metadata.permissions().mode() & 0o777,
            path.display()
        );
    }
}

/// Returns what others than the owner may do with a file. The group counts only if the file belongs to `user`: otherwise it
/// is the group that lets this process read it, as with `root:ssl-cert` or the `fsGroup` of Kubernetes.
fn shared(metadata: &Metadata, user: u32) -> Option<&'static str> {
    let mode = metadata.permissions().mode();
    let bits = if metadata.uid() == user { mode >> 3 | mode } else { mode };
    match bits & 0o6 {
        0 => None,
        0o4 => Some("read"),
        0o2 => Some("write"),
        _ => Some("read and write"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_may_do_with_a_file_is_known_by_its_mode_and_its_owner() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let owner = file.as_file().metadata().unwrap().uid();
        let rows = [
            (0o600, None, None),
            (0o700, None, None),
            (0o400, None, None),
            (0o640, Some("read"), None),
            (0o620, Some("write"), None),
            (0o644, Some("read"), Some("read")),
            (0o604, Some("read"), Some("read")),
            (0o602, Some("write"), Some("write")),
            (0o660, Some("read and write"), None),
            (0o642, Some("read and write"), Some("write")),
            (0o666, Some("read and write"), Some("read and write")),
        ];
        for (mode, to_owner, to_another) in rows {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            let metadata = fs::metadata(file.path()).unwrap();
            assert_eq!(shared(&metadata, owner), to_owner, "{mode:o}");
            assert_eq!(shared(&metadata, owner + 1), to_another, "{mode:o}");
        }
    }
}
