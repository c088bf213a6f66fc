//! PostgreSQL servers for tests, created with `initdb` in a temporary folder and removed with the test's process.

#![allow(dead_code, reason = "each test program uses a part of this")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, RunQueryDsl as _};

/// A server that listens only on a socket in its folder, unless its options say otherwise.
pub struct Server {
    folder: PathBuf,
    port: u16,
    options: String,
    /// Waits until this process ends, for whatever reason, then stops the server and empties the folder.
    _watchdog: Child,
}

/// The server that all tests of this process share, each with its own database.
pub fn shared() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        Server::start(5432, "-c fsync=off -c max_connections=300 -c log_line_prefix=%d:", |_| ())
    })
}

impl Server {
    /// Starts a server with further options for `postgres`. The port is only part of its socket's name, unless the options
    /// let it listen on TCP. `prepare` may write files into its folder first.
    pub fn start(port: u16, options: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::Builder::new().prefix("auth-pg-").tempdir().unwrap().keep();
        prepare(&folder);
        let folder_text = folder.display().to_string();
        if is_root() {
            // PostgreSQL refuses to run as root.
            assert!(Command::new("chown").args(["-R", "postgres", &folder_text]).status().unwrap().success());
        }
        as_postgres(&format!(
            "initdb -D {folder_text}/data -U postgres -A trust --no-sync >{folder_text}/log 2>&1"
        ));
        let script = format!(
            "cat >/dev/null; pg_ctl -D {folder_text}/data -m immediate stop >/dev/null 2>&1; rm -rf {folder_text}/*"
        );
        let watchdog = postgres_shell(&script).stdin(Stdio::piped()).spawn().unwrap();
        let options = format!("-k {folder_text} -c port={port} -c listen_addresses= {options}");
        let server = Self { folder, port, options, _watchdog: watchdog };
        server.go_on();
        server
    }

    /// Starts or restarts the server, and waits until it accepts connections.
    pub fn go_on(&self) {
        let folder = self.folder.display();
        as_postgres(&format!(
            "pg_ctl -D {folder}/data -l {folder}/log -o '{}' -w start >/dev/null",
            self.options
        ));
    }

    /// Stops the server immediately, like a crash.
    pub fn crash(&self) {
        as_postgres(&format!("pg_ctl -D {}/data -m immediate -w stop >/dev/null", self.folder.display()));
    }

    /// Stops the server, copies its data, and starts it again.
    pub fn keep_a_copy(&self) {
        let folder = self.folder.display();
        as_postgres(&format!(
            "pg_ctl -D {folder}/data -m fast -w stop >/dev/null && cp -a {folder}/data {folder}/copy"
        ));
        self.go_on();
    }

    /// Crashes the server and continues with the copy, like a standby that lacks the commits since then.
    pub fn go_on_with_the_copy(&self) {
        self.crash();
        let folder = self.folder.display();
        as_postgres(&format!("mv {folder}/data {folder}/lost && mv {folder}/copy {folder}/data"));
        self.go_on();
    }

    /// Returns the URL of an empty database that no other test uses.
    pub fn fresh_database(&self) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::establish(&self.url("postgres")).unwrap();
        connection.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        self.url(&name)
    }

    /// Returns the URL of a database by the server's socket.
    pub fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&port={}&user=postgres", self.folder.display(), self.port)
    }

    /// Suspends all its processes (`STOP`), or resumes them (`CONT`).
    pub fn signal(&self, name: &str) {
        let pid = format!("$(head -n 1 {}/data/postmaster.pid)", self.folder.display());
        as_postgres(&format!("kill -{name} {pid} && pkill -{name} -P {pid}"));
    }

    /// Returns the server's log; each line begins with the name of its database.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap()
    }

    /// Returns how many connections are encrypted at present.
    pub fn connections_with_tls(&self) -> i64 {
        let mut connection = PgConnection::establish(&self.url("postgres")).unwrap();
        let query =
            diesel::dsl::sql::<diesel::sql_types::BigInt>("(SELECT count(*) FROM pg_stat_ssl WHERE ssl)");
        diesel::select(query).get_result(&mut connection).unwrap()
    }
}

fn as_postgres(script: &str) {
    let output = postgres_shell(script).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

fn postgres_shell(script: &str) -> Command {
    let script = format!("export PATH={}:$PATH; {script}", binaries().display());
    let mut command = Command::new("sh");
    if is_root() {
        command = Command::new("runuser");
        command.args(["-u", "postgres", "--", "sh"]);
    }
    command.arg("-c").arg(script).current_dir("/");
    command
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout.starts_with(b"0\n")
}

/// Returns the folder with the server's programs, as Debian, other distributions and Homebrew install them.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|entry| entry.path().join("bin"));
    let others = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"].map(PathBuf::from);
    debian
        .chain(others)
        .find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
        .expect(
            "the tests need a PostgreSQL server, which is not installed (Debian: apt-get install postgresql)",
        )
}
