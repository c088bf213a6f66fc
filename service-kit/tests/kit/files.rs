//! Files and folders of a service, and the warnings about their modes.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use service_kit::access::{warn_if_open, warn_if_shared, warn_if_writable};
use service_kit::folder::make_private;
use service_kit::private_file::{create, replace};
use service_kit::storage::free_bytes;

use crate::logged;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_whole_and_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("marks.json");
    for text in ["first and longer", "second", ""] {
        replace(&path, text.as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(mode(&path), 0o600);
    }
    assert_eq!(names(folder.path()), ["marks.json"], "no draft is left");
}

#[test]
fn a_file_that_others_could_read_is_private_once_it_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("marks.json");
    fs::write(&path, "old").unwrap();
    set_mode(&path, 0o644);
    replace(&path, b"new").unwrap();
    assert_eq!((mode(&path), fs::read_to_string(&path).unwrap().as_str()), (0o600, "new"));
}

#[test]
fn a_link_is_replaced_and_what_it_leads_to_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let (path, elsewhere) = (folder.path().join("marks.json"), folder.path().join("elsewhere"));
    fs::write(&elsewhere, "another's").unwrap();
    symlink(&elsewhere, &path).unwrap();
    replace(&path, b"mine").unwrap();
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "another's");
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
}

#[test]
fn a_file_is_made_once_by_many_that_try_at_the_same_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let made: Vec<_> = thread::scope(|scope| {
        let path = &path;
        let tries: Vec<_> = (0..16_u8)
            .map(|byte| scope.spawn(move || create(path, &[byte; 64]).unwrap().then_some(byte)))
            .collect();
        tries.into_iter().filter_map(|made| made.join().unwrap()).collect()
    });
    let [winner] = made[..] else { panic!("{made:?} say that they made it") };
    assert_eq!(fs::read(&path).unwrap(), [winner; 64]);
    assert_eq!((mode(&path), names(folder.path())), (0o600, vec!["key".to_owned()]));
}

#[test]
fn a_file_that_is_there_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    fs::write(&path, "old").unwrap();
    assert!(!create(&path, b"new").unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    symlink("nowhere", folder.path().join("link")).unwrap();
    assert!(!create(&folder.path().join("link"), b"new").unwrap(), "a link to nowhere is there, too");
    assert!(!folder.path().join("nowhere").exists());
}

#[test]
fn a_file_that_is_replaced_by_many_at_once_is_one_of_theirs_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("marks.json");
    thread::scope(|scope| {
        for byte in 0..8_u8 {
            let path = &path;
            scope.spawn(move || (0..20).for_each(|_| replace(path, &[byte; 4096]).unwrap()));
        }
    });
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() == 4096 && bytes.iter().all(|byte| *byte == bytes[0]));
    assert_eq!(names(folder.path()), ["marks.json"]);
}

#[test]
fn drafts_that_a_crash_has_left_are_removed_after_an_hour_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("marks.json");
    let two_hours_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for name in [".marks.json.abc123.draft", ".other.json.abc123.draft", ".marks.json.abc123", "x.draft"] {
        let file = fs::File::create(folder.path().join(name)).unwrap();
        file.set_modified(two_hours_ago).unwrap();
    }
    fs::write(folder.path().join(".marks.json.new456.draft"), "of a process that is at work").unwrap();
    replace(&path, b"x").unwrap();
    let left = [
        ".marks.json.abc123",
        ".marks.json.new456.draft",
        ".other.json.abc123.draft",
        "marks.json",
        "x.draft",
    ];
    assert_eq!(names(folder.path()), left);
}

#[test]
fn without_its_folder_a_file_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/marks.json");
    for error in [replace(&path, b"x").unwrap_err(), create(&path, b"x").unwrap_err()] {
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }
}

#[test]
fn a_folder_is_made_private_with_those_above_it_and_one_that_is_there_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b");
    make_private(&path).unwrap();
    assert_eq!((mode(&path), mode(&folder.path().join("a"))), (0o700, 0o700));
    set_mode(&path, 0o755);
    make_private(&path).unwrap();
    assert_eq!(mode(&path), 0o755);
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(make_private(&folder.path().join("file")).is_err());
}

#[test]
fn the_room_on_a_disk_is_known_for_a_folder_and_for_the_working_directory_only() {
    let folder = tempfile::tempdir().unwrap();
    assert!(free_bytes(folder.path()).unwrap() > 0);
    assert!(free_bytes(Path::new("")).unwrap() > 0, "a relative name has no folder");
    assert!(free_bytes(&folder.path().join("nowhere")).is_err());
}

/// The lines that were logged about a file of this mode.
fn warnings(name: &str, mode: u32, warn: fn(&str, &Path)) -> Vec<String> {
    logged::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, "").unwrap();
    set_mode(&path, mode);
    warn("the secret", &path);
    logged::lines(path.to_str().unwrap())
}

#[test]
fn a_file_that_others_may_read_is_warned_of_with_the_command_that_ends_it() {
    let lines = warnings("shared", 0o644, warn_if_shared);
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.starts_with("WARN others may read the secret "), "{line}");
    assert!(line.contains("its mode is 644") && line.contains("`chmod 600 "), "{line}");
    assert_eq!(warnings("private", 0o600, warn_if_shared), [""; 0]);
}

#[test]
fn a_public_file_is_warned_of_only_when_others_may_change_it() {
    assert_eq!(warnings("readable", 0o644, warn_if_writable), [""; 0]);
    let lines = warnings("writable", 0o666, warn_if_writable);
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.contains("others may change the secret") && line.contains("`chmod go-w "), "{line}");
}

#[test]
fn a_folder_that_others_may_look_into_is_warned_of() {
    logged::start();
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o700);
    warn_if_open("the data folder", folder.path());
    warn_if_shared("the folder", folder.path());
    let about = folder.path().to_str().unwrap();
    assert_eq!(logged::lines(about), [""; 0], "it is private");
    set_mode(folder.path(), 0o755);
    warn_if_shared("the folder", folder.path());
    assert_eq!(logged::lines(about), [""; 0], "it is no file");
    warn_if_open("the data folder", folder.path());
    let lines = logged::lines(about);
    assert!(
        lines[0].contains("others may read in the data folder") && lines[0].contains("`chmod 700 "),
        "{lines:?}"
    );
}

#[test]
fn a_file_that_is_not_there_is_not_warned_of() {
    logged::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nowhere");
    for warn in [warn_if_shared, warn_if_writable, warn_if_open] {
        warn("the secret", &path);
    }
    assert_eq!(logged::lines(path.to_str().unwrap()), [""; 0]);
}
