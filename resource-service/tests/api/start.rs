//! The program itself: what it says and how it exits when it cannot start, and how it stops.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program with a data folder of its own, a free port, an issuer that is not there, and nothing else.
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
