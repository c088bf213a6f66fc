//! The program: its messages, its exit codes, its signals, its socket and its health check.

use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

/// Returns the program with a data folder, a free port, and an issuer that does not exist.
fn program(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resource-service"));
    command.env_clear().env("RESOURCE__DATA_DIR", data).env("RESOURCE__LISTEN", "127.0.0.1:0");
    command.env("RESOURCE__ISSUER", "http://127.0.0.1:1").stdin(Stdio::null());
    command
}

fn get(address: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_wrong_setting_is_named_and_the_exit_code_is_2() {
    let data = tempfile::tempdir().unwrap();
    let not_pem = data.path().join("not.pem");
    std::fs::write(&not_pem, "no certificate").unwrap();
    let rows = [
        ("RESOURCE__LISTEN", "everywhere", "`listen`"),
        ("RESOURCE__LISTEN", "0.0.0.0:0", "http.allow_plain_text"),
        ("RESOURCE__TLS__KEY", "/does/not/exist.pem", "tls.certificate"),
        ("RESOURCE__ISSUER", "auth", "`issuer`"),
        ("RESOURCE__ISSUER", "http://auth.example.com", "`issuer`"),
        ("RESOURCE__ISSUER_INTERNAL_URL", "http://auth.internal", "`issuer_internal_url`"),
        ("RESOURCE__ISSUER_INTERNAL_URL", "auth", "`issuer_internal_url`"),
        ("RESOURCE__JWKS_URI", "ftp://auth.example.com/keys", "`jwks_uri`"),
        ("RESOURCE__AUDIENCE", ",", "`audience`"),
        ("RESOURCE__SHARED_SECRET", "short", "`shared_secret`"),
        ("RESOURCE__CLIENT_ID", "orders", "`client_secret`"),
        ("RESOURCE__CLIENT_SECRET", "a secret", "`client_id`"),
        ("RESOURCE__ISSUER_CA_FILE", not_pem.to_str().unwrap(), "`issuer_ca`"),
        ("RESOURCE__ISSUER_CA_FILE", "/nowhere.pem", "RESOURCE__ISSUER_CA_FILE"),
        ("RESOURCE__TOKEN_SOURCES", "body", "`token_sources`"),
        ("RESOURCE__ALLOWED_ORIGINS", "https://app.example.com/", "`allowed_origins`"),
        ("RESOURCE__PUBLIC_URL", "http://api.example.com", "`public_url`"),
        ("RESOURCE__NO_SUCH_THING", "1", "no_such_thing"),
        ("RESOURCE_CONFIG", "/nowhere.toml", "/nowhere.toml"),
    ];
    for (name, value, key) in rows {
        let output = program(data.path()).env(name, value).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {text}");
        assert!(text.contains(key), "{name}={value}: {text}");
        assert_eq!(text.lines().count(), 1, "{name}={value}: {text}");
    }
}

#[test]
fn its_files_are_private_in_a_folder_that_was_there_before_and_others_rights_are_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let data = tempfile::tempdir().unwrap();
    std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let log_of_a_start = || {
        let plain = program(data.path());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"umask 022; exec "$0""#]).arg(plain.get_program()).env_clear();
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut lines, mut log) = (BufReader::new(child.stderr.take().unwrap()), String::new());
        while !log.contains("trusts http") {
            assert_ne!(lines.read_line(&mut log).unwrap(), 0, "{log}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        log
    };
    let log = log_of_a_start();
    assert!(log.contains("others may read in the data folder") && log.contains("`chmod 700 "), "{log}");
    assert_eq!(log.matches("others may").count(), 1, "{log}");
    let modes: Vec<_> = std::fs::read_dir(data.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name(), entry.metadata().unwrap().permissions().mode() & 0o077))
        .collect();
    assert!(modes.iter().any(|(name, _)| name == "resource.db"), "{modes:?}");
    assert!(modes.iter().all(|(_, others)| *others == 0), "{modes:?}");
    let database = data.path().join("resource.db");
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o644)).unwrap();
    let log = log_of_a_start();
    assert!(log.contains(&format!("`chmod 600 {}`", database.display())), "{log}");
}

#[test]
fn a_taken_port_or_a_broken_data_folder_is_one_sentence_and_the_exit_code_is_1() {
    let data = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let file = data.path().join("a-file");
    std::fs::write(&file, "not a folder").unwrap();
    let rows = [
        ("RESOURCE__LISTEN", address.as_str(), "cannot listen on"),
        ("RESOURCE__DATA_DIR", file.to_str().unwrap(), "cannot make the data folder"),
    ];
    for (name, value, sentence) in rows {
        let output = program(data.path()).env("RUST_LOG", "error").env(name, value).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(sentence) && text.lines().count() == 1, "{text}");
    }
}

#[test]
fn every_variable_of_the_contract_is_accepted_and_sigterm_stops_with_0() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("config.toml");
    std::fs::write(&config, "[http]\nworkers = 1\n").unwrap();
    let secret = data.path().join("secret");
    std::fs::write(&secret, "a client's secret\n").unwrap();
    let mut child = program(&data.path().join("made/by/itself"))
        .arg("serve")
        .env("RESOURCE_CONFIG", &config)
        .env("RESOURCE__AUDIENCE", "resource-service, books")
        .env("RESOURCE__JWKS_URI", "http://keys.internal/jwks.json")
        .env("RESOURCE__ALLOW_HTTP", "auth.internal,keys.internal")
        .env("RESOURCE__ISSUER_INTERNAL_URL", "http://auth.internal")
        .env("RESOURCE__TOKEN_SOURCES", "header,cookie,query")
        .env("RESOURCE__CLIENT_ID", "orders")
        .env("RESOURCE__CLIENT_SECRET_FILE", &secret)
        .env("RUST_LOG", "info")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = log.by_ref().find(|line| line.contains("resource-service listens on")).unwrap();
    let address = line.split("http://").nth(1).unwrap().split(' ').next().unwrap();
    assert!(get(address, "/livez").starts_with("HTTP/1.1 200 "), "from then on it handles signals");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let rest: Vec<_> = log.collect();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest:?}");
}

#[test]
fn the_command_line_knows_its_version_and_refuses_the_rest() {
    let data = tempfile::tempdir().unwrap();
    let version = program(data.path()).arg("--version").output().unwrap();
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("resource-service 0."));
    assert_eq!(program(data.path()).arg("dance").output().unwrap().status.code(), Some(2));
}

/// A process that listens. It is killed when the test ends.
struct Running {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    /// The address in the log: `http://127.0.0.1:1234`, or `unix:/path (http)`.
    place: String,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut running = Self { child, log, place: String::new() };
        let line = running.until_it_logs("resource-service listens on ");
        line.split("listens on ").nth(1).unwrap().clone_into(&mut running.place);
        running
    }

    /// Returns the next line of the log that contains this.
    fn until_it_logs(&mut self, text: &str) -> String {
        let mut lines = self.log.by_ref().map(Result::unwrap);
        lines.find(|line| line.contains(text)).unwrap_or_else(|| panic!("no line with {text:?}"))
    }

    fn address(&self) -> &str {
        self.place.split("://").nth(1).unwrap()
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Sends a signal, and returns the exit code.
    fn stop(mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.log.by_ref().for_each(drop);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the program with a shared secret, with which it is ready without an issuer.
fn ready_program(data: &Path) -> Command {
    let mut command = program(data);
    command.env("RESOURCE__SHARED_SECRET", "a secret of more than thirty-two bytes");
    command
}

/// Returns the exit code of a health check, and what it writes.
fn healthcheck(mut command: Command, listen: &str) -> (Option<i32>, String) {
    command
        .arg("healthcheck")
        .env("RESOURCE__LISTEN", listen)
        .env("RESOURCE__HTTP__ALLOW_PLAIN_TEXT", "true");
    let output = command.output().unwrap();
    (output.status.code(), stderr(&output))
}

#[test]
fn sighup_is_answered_in_the_log_and_ends_nothing() {
    let data = tempfile::tempdir().unwrap();
    let mut service = Running::start(&mut ready_program(data.path()));
    for _ in 0..2 {
        service.signal("-HUP");
        service.until_it_logs("SIGHUP: there is nothing to reload");
    }
    assert!(get(service.address(), "/readyz").starts_with("HTTP/1.1 200 "));
    assert_eq!(service.stop("-TERM"), Some(0));
}

#[test]
fn a_healthcheck_follows_the_settings_and_fails_unless_the_service_is_ready() {
    let data = tempfile::tempdir().unwrap();
    let service = Running::start(&mut ready_program(data.path()));
    let address = service.address().to_owned();
    let port = address.rsplit(':').next().unwrap();
    let check = |listen: &str| healthcheck(ready_program(data.path()), listen);
    for listen in [&address, &format!("0.0.0.0:{port}"), &format!("localhost:{port}"), &format!(":{port}")] {
        assert_eq!(check(listen), (Some(0), String::new()), "{listen}");
    }
    assert_eq!(check("127.0.0.1:0").0, Some(1), "the port is not known");
    assert_eq!(check("everywhere").0, Some(2), "a wrong setting");
    assert_eq!(service.stop("-TERM"), Some(0));
    let (code, text) = check(&address);
    assert_eq!((code, text.lines().count()), (Some(1), 1), "{text}");
    assert!(text.starts_with(&format!("resource-service: no answer from {address}: ")), "{text}");
    let without_keys = Running::start(&mut program(data.path()));
    let (code, text) = check(without_keys.address());
    assert_eq!(code, Some(1));
    assert!(text.contains("is not ready: /readyz answers \"HTTP/1.1 503 "), "{text}");
}

#[test]
fn a_healthcheck_follows_the_settings_into_tls() {
    let data = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["resource.example".to_owned()]).unwrap();
    let (certificate, key) = (data.path().join("certificate.pem"), data.path().join("key.pem"));
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let in_tls = || {
        let mut command = ready_program(data.path());
        command.env("RESOURCE__TLS__CERTIFICATE", &certificate).env("RESOURCE__TLS__KEY", &key);
        command
    };
    let service = Running::start(&mut in_tls());
    assert!(service.place.starts_with("https://"), "{}", service.place);
    assert_eq!(healthcheck(in_tls(), service.address()), (Some(0), String::new()));
    assert_eq!(healthcheck(ready_program(data.path()), service.address()).0, Some(1), "in plain text");
}

#[test]
fn a_unix_socket_has_its_mode_and_replaces_one_that_was_left_and_no_other() {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    let data = tempfile::tempdir().unwrap();
    let socket = data.path().join("http.sock");
    let listen = format!("unix:{}", socket.display());
    let on_socket = || {
        let mut command = ready_program(data.path());
        command.env("RESOURCE__LISTEN", &listen).env("RESOURCE__SOCKET__MODE", "0660");
        command
    };
    let first = Running::start(&mut on_socket());
    assert_eq!(first.place, format!("{listen} (http)"));
    let metadata = std::fs::metadata(&socket).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
    assert_eq!(healthcheck(on_socket(), &listen), (Some(0), String::new()));
    let second = on_socket().output().unwrap();
    let text = stderr(&second);
    assert!(second.status.code() == Some(1) && text.contains("another process listens there"), "{text}");
    assert_eq!(first.stop("-KILL"), None);
    assert!(socket.exists(), "a process that is killed leaves its socket");
    assert_eq!(healthcheck(on_socket(), &listen).0, Some(1));
    let third = Running::start(&mut on_socket());
    assert_eq!(healthcheck(on_socket(), &listen).0, Some(0));
    assert_eq!(third.stop("-TERM"), Some(0));
    assert!(!socket.exists());
}
