//! The start of the program: unusual environments, warnings about settings, sockets, `SIGHUP` and the health check.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{PASSWORD, Running, program};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Returns the exit code and standard error.
fn outcome(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[actix_web::test]
async fn the_service_starts_with_variables_and_a_folder_that_are_not_utf_8() {
    let data = folder();
    let odd = data.path().join(OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&odd).unwrap();
    let mut command = program(Path::new("data"));
    command.env("PWD", &odd).env(OsStr::from_bytes(b"X\xff"), OsStr::from_bytes(b"\xff")).current_dir(&odd);
    let service = Running::start(&mut command);
    assert_eq!(service.register("alice").await, Some(201));
    assert!(odd.join("data/auth.db").exists());
}

#[test]
fn an_auth_variable_that_is_not_utf_8_is_an_error_by_name_without_its_value() {
    let data = folder();
    for name in ["AUTH__MASTER_KEY", "AUTH__DATA_DIR", "AUTH_CONFIG", "RUST_LOG"] {
        let (code, text) = outcome(program(data.path()).env(name, OsStr::from_bytes(b"secret \xff")));
        assert_eq!(code, Some(2), "{name}: {text}");
        assert!(text.contains(name) && text.contains("UTF-8") && !text.contains("secret"), "{text}");
    }
}

#[test]
fn a_setting_with_one_underscore_is_warned_of_and_what_kubernetes_sets_is_not() {
    let data = folder();
    let service = Running::start(
        program(data.path())
            .env("AUTH_LISTEN", "127.0.0.1:9")
            .env("AUTH_PORT", "tcp://10.0.0.1:8080")
            .env("AUTH_SERVICE_HOST", "10.0.0.1"),
    );
    let said = service.said();
    assert!(said.contains("AUTH_LISTEN sets nothing: did you mean AUTH__LISTEN?"), "{said}");
    assert!(!said.contains("AUTH_PORT") && !said.contains("AUTH_SERVICE_HOST"), "{said}");
}

#[test]
fn messages_about_settings_show_the_right_form() {
    let data = folder();
    let rows = [
        ("AUTH__TOKENS__ACCESS_TTL", "soon", "such as 10s, 5m, 12h or 14d"),
        ("AUTH__ISSUER", "auth.example.com", "such as https://auth.example.com"),
        ("AUTH__TOKENS", "10m", "AUTH__TOKENS__ALGORITHM"),
        ("AUTH__LISTEN", "everywhere", "localhost:8080"),
        ("AUTH__HTTP__TRUSTED_PROXIES", "10.0.0.0/99", "such as 10.0.0.0/8"),
        ("AUTH__SOCKET__MODE", "rw", "such as \"0660\""),
        ("AUTH__SOCKET__OWNER", ":", "auth:www-data"),
        ("AUTH__TOKENS_ACCESS_TTL", "5m", "did you mean AUTH__TOKENS__ACCESS_TTL?"),
    ];
    for (name, value, form) in rows {
        let (code, text) = outcome(program(data.path()).env(name, value));
        assert_eq!((code, text.lines().count()), (Some(2), 1), "{name}: {text}");
        assert!(text.contains(form), "{name}={value}: {text}");
    }
}

#[test]
fn settings_that_do_not_go_together_are_warned_of_at_start() {
    let data = folder();
    let said = |variables: &[(&str, &str)]| {
        let service = Running::start(program(data.path()).envs(variables.iter().copied()));
        let port = service.address.rsplit(':').next().unwrap().to_owned();
        service.signal("-TERM");
        (service.said().to_owned() + &service.end().1, port)
    };
    let (log, port) = said(&[]);
    assert!(log.contains(&format!("the port of this service is {port}: unless")), "{log}");
    assert!(!log.contains("tokens.access_ttl is"), "{log}");
    let (log, _) = said(&[("AUTH__HTTP__TRUSTED_PROXIES", "192.0.2.7"), ("AUTH__TOKENS__ACCESS_TTL", "2d")]);
    assert!(
        !log.contains("the port of this service") && log.contains("tokens.access_ttl is 48 hours"),
        "{log}"
    );
}

#[actix_web::test]
async fn sighup_is_answered_in_the_log_and_ends_nothing() {
    let data = folder();
    let service = Running::start(&mut program(data.path()));
    for _ in 0..2 {
        service.signal("-HUP");
        service.until_it_says("SIGHUP: there is nothing to reload");
    }
    assert_eq!(service.register("alice").await, Some(201));
    service.signal("-TERM");
    assert_eq!(service.end().0, Some(0));
}

#[actix_web::test]
async fn a_healthcheck_follows_the_settings_and_fails_where_nothing_is_ready() {
    let data = folder();
    let service = Running::start(&mut program(data.path()));
    let address = service.address.strip_prefix("http://").unwrap().to_owned();
    let port = address.rsplit(':').next().unwrap();
    let check = |listen: &str| {
        let mut command = program(data.path());
        command.arg("healthcheck").env("AUTH__LISTEN", listen).env("AUTH__HTTP__ALLOW_PLAIN_TEXT", "true");
        outcome(&mut command)
    };
    for listen in [&address, &format!("0.0.0.0:{port}"), &format!("localhost:{port}"), &format!(":{port}")] {
        assert_eq!(check(listen), (Some(0), String::new()), "{listen}");
    }
    assert_eq!(check("127.0.0.1:0").0, Some(1), "the port is not known beforehand");
    assert_eq!(check("everywhere").0, Some(2));
    service.signal("-TERM");
    service.end();
    let (code, text) = check(&address);
    assert_eq!(code, Some(1));
    assert!(text.contains(&format!("no answer from {address}")), "{text}");
}

/// A service on a Unix socket, which is killed at the end of the test.
struct OnSocket(Child);

impl OnSocket {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("listens on unix:") {
            assert_ne!(log.read_line(&mut said).unwrap(), 0, "{said}");
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self(child)
    }

    fn stop(&mut self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap().success());
        self.0.wait().unwrap();
    }
}

impl Drop for OnSocket {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn post(socket: &Path, path: &str, headers: &str, body: &Value) -> String {
    let mut connection = UnixStream::connect(socket).unwrap();
    let body = body.to_string();
    let length = body.len();
    write!(
        connection,
        "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn on_a_unix_socket_the_mode_counts_and_a_stale_one_is_replaced() {
    let data = folder();
    let socket = data.path().join("http.sock");
    let on_socket = |arguments: &[&str]| {
        let mut command = program(data.path());
        command.args(arguments).env("AUTH__LISTEN", format!("unix:{}", socket.display()));
        command.env("AUTH__SOCKET__MODE", "0660");
        command
    };
    let mut first = OnSocket::start(&mut on_socket(&[]));
    let metadata = fs::metadata(&socket).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
    assert_eq!(outcome(&mut on_socket(&["healthcheck"])), (Some(0), String::new()));
    let (code, text) = outcome(&mut on_socket(&[]));
    assert!(code == Some(1) && text.contains("another process listens there"), "{text}");
    first.stop("-KILL");
    assert!(socket.exists());
    assert_eq!(outcome(&mut on_socket(&["healthcheck"])).0, Some(1));
    let mut second = OnSocket::start(&mut on_socket(&[]));
    assert_eq!(outcome(&mut on_socket(&["healthcheck"])).0, Some(0));
    second.stop("-TERM");
    assert!(!socket.exists());
}

#[test]
fn a_peer_on_a_unix_socket_is_a_proxy_if_it_sends_a_forwarding_header_and_otherwise_the_loopback() {
    let data = folder();
    let socket = data.path().join("http.sock");
    let mut command = program(data.path());
    let _service = OnSocket::start(command.env("AUTH__LISTEN", format!("unix:{}", socket.display())));
    let account = json!({ "username": "alice", "password": PASSWORD });
    assert!(post(&socket, "/register", "", &account).starts_with("HTTP/1.1 201 "));
    let mut own = account.clone();
    own["resource"] = json!("http://127.0.0.1:8080");
    // The trail is written shortly after the answer.
    let newest_of = |logins: usize| {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let listed = program(data.path()).args(["audit", "list", "--event", "login"]).output().unwrap();
            let listed = String::from_utf8(listed.stdout).unwrap();
            if listed.lines().count() == logins {
                return listed.lines().next().unwrap().to_owned();
            }
            assert!(Instant::now() < deadline, "{listed}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let rows = [
        ("X-Request-Id: from-the-proxy\r\n", "127.0.0.1", false),
        ("X-Request-Id: from-the-proxy\r\nX-Forwarded-For: 192.0.2.9\r\n", "192.0.2.9", true),
        ("X-Forwarded-For: 203.0.113.1, 192.0.2.9\r\n", "192.0.2.9", false),
        ("X-Forwarded-For: nonsense\r\n", "127.0.0.1", false),
    ];
    for (done, (headers, address, believed)) in rows.into_iter().enumerate() {
        let answer = post(&socket, "/login", headers, &own);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(answer.contains("x-request-id: from-the-proxy"), believed, "{answer}");
        let newest = newest_of(done + 1);
        assert!(newest.contains(&format!("\"address\":\"{address}\"")), "{headers}: {newest}");
    }
}
