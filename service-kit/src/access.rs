//! Who may read and write the files of a service: new ones its own user alone, and for those that are there a warning.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use nix::sys::stat::{Mode, umask};
use nix::unistd::Uid;

/// Makes every file and folder that this process creates from now on private to its owner, from the first byte on. It is about
/// the whole process: to be called at the start of `main`, before there is another thread.
pub fn keep_new_files_private() {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
}

/// Warns when others than the owner may read or write the file at `path`, and names the command that ends it. Nothing is
/// changed: who put the file there may have had a reason. `what` says what it is, as in "the database".
pub fn warn_if_shared(what: &str, path: &Path) {
    let Ok(metadata) = fs::metadata(path) else { return }; // whoever needs the file says what is wrong with it
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

/// Warns when others than the owner may write what is at `path`: a file with nothing secret in it, or a folder, whose files
/// they could replace.
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

/// Warns when others than the owner may look into a folder or change it: what is put there by other programs, such as a copy of a
/// database, is not private by itself.
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

/// What others than the owner may do with a file. The group counts where the file is this user's own: where it is not, the
/// group is what lets this process read it, as with `root:ssl-cert` or the `fsGroup` of Kubernetes.
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
