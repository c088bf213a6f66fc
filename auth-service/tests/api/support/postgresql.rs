//! A PostgreSQL server for the tests of this process: made on first use, gone with the process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};

struct Server {
    folder: PathBuf,
    // Held for its pipe: the server's shell stops the server when this process ends, however it ends.
    _shell: Child,
}

/// The URL of an empty database that no other test uses.
pub fn fresh_database() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let server = SERVER.get_or_init(start);
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::establish(&url(&server.folder, "postgres")).unwrap();
    connection.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    url(&server.folder, &name)
}

fn url(folder: &Path, database: &str) -> String {
    format!("postgres:///{database}?host={}&user=postgres", folder.display())
}

/// `initdb` and `postgres` on a socket in a folder of its own; as user `postgres` when the tests run as root, because
/// PostgreSQL refuses root.
fn start() -> Server {
    let bin = binaries();
    let folder = tempfile::Builder::new().prefix("auth-pg-").tempdir().unwrap().keep();
    let script = format!(
        "set -e; export PATH={bin}:$PATH; cd {folder}; initdb -D data -U postgres -A trust --no-sync >initdb.log 2>&1
         postgres -D data -k {folder} -c listen_addresses= -c fsync=off -c max_connections=300 >postgres.log 2>&1 &
         cat >/dev/null; kill -INT $!; wait; rm -rf {folder}/*",
        bin = bin.display(),
        folder = folder.display()
    );
    let mut shell = Command::new("sh");
    if is_root() {
        assert!(Command::new("chown").arg("postgres").arg(&folder).status().unwrap().success());
        shell = Command::new("runuser");
        shell.args(["-u", "postgres", "--", "sh"]);
    }
    let shell = shell.arg("-c").arg(script).stdin(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while PgConnection::establish(&url(&folder, "postgres")).is_err() {
        assert!(Instant::now() < deadline, "PostgreSQL did not start: see {}/postgres.log", folder.display());
        std::thread::sleep(Duration::from_millis(20)); // there is no event to wait for
    }
    Server { folder, _shell: shell }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.starts_with(b"0\n")
}

/// Where Debian, Fedora and Homebrew put the server's programs.
fn binaries() -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"));
    let others = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"].map(PathBuf::from);
    debian
        .chain(others)
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
        .expect("PostgreSQL's server is needed for the tests (Debian: apt-get install postgresql); none was found")
}
