//! The program's files are readable by its user alone, also in an existing folder and with a lax umask. It warns of files that
//! others may read or write, and does not change them.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use crate::process::{Running, program};

/// Returns an existing folder with the usual mode.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o755);
    folder
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Returns the program, started by a shell with the usual umask.
fn under_umask_022(data: &Path, arguments: &[&str]) -> Command {
    let plain = program(data);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", r#"umask 022; exec "$0" "$@""#]).arg(plain.get_program()).args(arguments);
    command.env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// Watches the files of a folder continuously; returns every mode that any of them had.
fn watch(folder: &Path) -> impl FnOnce() -> BTreeMap<(String, u32), usize> {
    let (folder, done) = (folder.to_owned(), Arc::new(AtomicBool::new(false)));
    let stop = Arc::clone(&done);
    let watcher = std::thread::spawn(move || {
        let mut seen = BTreeMap::new();
        while !done.load(Ordering::Relaxed) {
            for entry in fs::read_dir(&folder).unwrap().flatten() {
                let Ok(metadata) = entry.metadata() else { continue }; // it was deleted meanwhile
                let name = entry.file_name().to_string_lossy().into_owned();
                *seen.entry((name, metadata.permissions().mode() & 0o777)).or_default() += 1;
            }
            std::thread::yield_now();
        }
        seen
    });
    move || {
        stop.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    }
}

#[actix_web::test]
async fn every_file_is_private_from_its_creation_also_in_an_existing_folder() {
    let data = folder();
    let seen = watch(data.path());
    let service = Running::start(&mut under_umask_022(data.path(), &["serve"]));
    assert_eq!(service.register("alice").await, Some(201));
    let log = service.until_it_says("registered alice");
    let seen = seen();
    for name in ["auth.db", "auth.db-wal", "auth.db-shm", "master.key"] {
        assert!(seen.contains_key(&(name.to_owned(), 0o600)), "{name}: {seen:?}");
    }
    assert!(seen.keys().all(|(_, mode)| *mode == 0o600), "{seen:?}");
    assert_eq!(
        fs::metadata(data.path()).unwrap().permissions().mode() & 0o777,
        0o755,
        "the folder is unchanged"
    );
    assert!(!log.contains("others may"), "{log}");
}

#[test]
fn a_command_creates_private_files_as_well() {
    let data = folder();
    let output = under_umask_022(data.path(), &["migrate"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mode = fs::metadata(data.path().join("auth.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Returns the log from its first line until the program serves.
fn log_of_a_start(command: &mut Command) -> String {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut log = String::new();
    while !log.contains("issues tokens as") {
        assert_ne!(lines.read_line(&mut log).unwrap(), 0, "{log}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    log
}

#[test]
fn files_that_others_may_read_or_write_are_named_with_a_remedy_and_left_as_they_are() {
    let data = folder();
    log_of_a_start(&mut program(data.path()));
    let secret = data.path().join("pepper");
    fs::write(&secret, "a pepper that is long enough for it").unwrap();
    let files = [data.path().join("auth.db"), data.path().join("master.key"), secret.clone()];
    let start = || log_of_a_start(program(data.path()).env("AUTH__PASSWORDS__PEPPER_FILE", &secret));
    for mode in [0o640, 0o644, 0o620, 0o606] {
        for file in &files {
            set_mode(file, mode);
        }
        let log = start();
        for file in &files {
            let named = format!("{}: its mode is {mode:o}. `chmod 600 {}`", file.display(), file.display());
            assert!(log.contains(&named), "{named}: {log}");
            assert_eq!(
                fs::metadata(file).unwrap().permissions().mode() & 0o777,
                mode,
                "the file is unchanged"
            );
        }
    }
    set_mode(data.path(), 0o777);
    let log = start();
    assert!(log.contains(&format!("`chmod 700 {}`", data.path().display())), "{log}");
    set_mode(data.path(), 0o755);
    assert!(start().contains(&format!("others may read in the data folder {}", data.path().display())));
    set_mode(data.path(), 0o700);
    for file in &files {
        set_mode(file, 0o600);
    }
    let log = start();
    assert!(!log.contains("others may"), "{log}");
}
