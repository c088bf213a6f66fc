//! Faults of the database: wrong URLs, failures and outages, what `/readyz` and the log report of them, and the files that a stop
//! leaves behind.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Stdio;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, SqliteConnection};
use serde_json::Value;

use crate::database::postgresql::Server;
use crate::process::{Running, program};

fn run(data: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = program(data);
    let output = command.envs(variables.iter().copied()).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// Returns the reasons that `/readyz` names; none when the service is ready.
async fn reasons(service: &Running) -> Vec<String> {
    let answer = reqwest::get(format!("{}/readyz", service.address)).await.unwrap();
    let status = answer.status();
    let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(status == 503, body["reasons"].is_array(), "{body}");
    let named = body["reasons"].as_array().cloned().unwrap_or_default();
    named.iter().map(|reason| reason["name"].as_str().unwrap().to_owned()).collect()
}

async fn wait_for_reason(service: &Running, name: &str) {
    let has = async || reasons(service).await.iter().any(|reason| reason == name);
    service.wait_until(name, has).await;
}

async fn wait_until_ready(service: &Running) {
    service.wait_until("it is ready", async || reasons(service).await.is_empty()).await;
}

fn stop(service: Running) -> String {
    service.signal("-TERM");
    let (code, log) = service.end();
    assert_eq!(code, Some(0), "{log}");
    log
}

#[test]
fn an_empty_file_behind_a_variable_is_an_error_that_names_both() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("secret"));
    let path = file.to_str().unwrap();
    for name in [
        "AUTH__PASSWORDS__PEPPER_FILE",
        "AUTH__DATABASE_URL_FILE",
        "AUTH__MASTER_KEY_FILE",
        "AUTH__MASTER_KEY_PREVIOUS_FILE",
        "AUTH__TOKENS__SHARED_SECRET_FILE",
    ] {
        for content in ["", "\n", "  \r\n"] {
            fs::write(&file, content).unwrap();
            let (code, text) = run(&data, &[(name, path)], &[]);
            assert_eq!(code, Some(2), "{name}: {text}");
            assert!(text.contains(name) && text.contains(path), "{name}: {text}");
        }
    }
    assert!(!data.exists(), "nothing was created");
}

#[test]
fn no_part_of_a_password_is_printed_whatever_the_form_of_the_url() {
    let data = tempfile::tempdir().unwrap();
    let refused = [
        "postgres://alice:hunter/secret@127.0.0.1:1/x",
        "postgres://alice:hunter@secret@127.0.0.1:1/x",
        "postgres://alice:hunter%secret@127.0.0.1:1/x",
        "postgres://alice:hunter secret@127.0.0.1:1/x",
        "postgres://alice:hunter@[secret@127.0.0.1:1/x",
        "postgres://alice:hunter@[secret/x",
        "postgres://alice:hunter/x",
        "postgres://alice@127.0.0.1:1/x?password=hunter&secret",
        "postgres://alice@127.0.0.1:1/x?password=hunter=secret",
        "postgres:// alice:hunter@127.0.0.1:1/x",
    ];
    for url in refused {
        let (code, text) = run(data.path(), &[("AUTH__DATABASE_URL", url)], &["migrate"]);
        assert_eq!(code, Some(2), "{url}: {text}");
        assert!(text.contains("`database_url`"), "{url}: {text}");
        assert!(!text.contains("hunter") && !text.contains("secret"), "{url}: {text}");
    }
    let understood = [
        ("postgres://alice:hunter%2Fsecret@127.0.0.1:1/x", "Connection refused"),
        ("postgres://alice:hunter?#[secret@127.0.0.1:1/x", "Connection refused"),
        ("postgres://alice@127.0.0.1:1/x?password=hunter%26secret", "Connection refused"),
        ("postgres://alice@127.0.0.1:1/x?sslmode=hunter", "invalid sslmode value"),
        ("postgres://alice@127.0.0.1:1/x?password=a&hunter=secret", "invalid URI query parameter"),
    ];
    for (url, reason) in understood {
        let (code, text) = run(data.path(), &[("AUTH__DATABASE_URL", url)], &["migrate"]);
        assert_eq!(code, Some(1), "{url}: {text}");
        assert!(text.contains(reason), "{url}: {text}");
        assert!(!text.contains("hunter") && !text.contains("secret"), "{url}: {text}");
    }
}

#[actix_web::test]
async fn a_graceful_stop_leaves_no_write_ahead_log_and_neither_does_a_command() {
    let data = tempfile::tempdir().unwrap();
    let wal = data.path().join("auth.db-wal");
    for signal in ["-TERM", "-INT"] {
        let service = Running::start(&mut program(data.path()));
        service.register(&format!("user{signal}")).await;
        assert!(fs::metadata(&wal).unwrap().len() > 0, "a write-ahead log exists while the service runs");
        service.signal(signal);
        assert_eq!(service.end().0, Some(0));
        assert!(!wal.exists(), "{signal}");
    }
    // The shortest commands are repeated: a connection that is still being opened at their end would leave the log behind.
    for arguments in [&["key", "rotate"][..], &["recover"]].into_iter().chain([&["migrate"][..]; 10]) {
        let (code, text) = run(data.path(), &[], arguments);
        assert_eq!(code, Some(0), "{text}");
        assert!(!wal.exists(), "{arguments:?}");
    }
}

#[actix_web::test]
async fn recover_refuses_the_write_ahead_log_of_another_file_and_accepts_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy.db"));
    let (file, wal) = (data.join("auth.db"), data.join("auth.db-wal"));
    let service = Running::start(&mut program(&data));
    assert_eq!(service.register("alice").await, Some(201));
    let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    connection.batch_execute(&format!("VACUUM INTO '{}'", copy.display())).unwrap();
    drop(connection);
    assert_eq!(service.register("bob").await, Some(201));
    service.signal("-KILL");
    service.end();
    let (code, text) = run(&data, &[], &["recover"]);
    assert_eq!(code, Some(0), "its own log is no reason to refuse: {text}");

    let service = Running::start(&mut program(&data));
    assert_eq!(service.register("carol").await, Some(201));
    service.signal("-KILL");
    service.end();
    assert!(fs::metadata(&wal).unwrap().len() > 0);
    fs::copy(&copy, &file).unwrap();
    for arguments in [&["recover"][..], &["recover", "--new-master-key"]] {
        let (code, text) = run(&data, &[], arguments);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("auth.db-wal") && text.contains("delete"), "{text}");
    }
    assert_eq!(fs::read(&file).unwrap(), fs::read(&copy).unwrap(), "nothing was written");
    // The remedy of the message and the docs.
    fs::remove_file(&wal).unwrap();
    fs::remove_file(data.join("auth.db-shm")).unwrap();
    let (code, text) = run(&data, &[], &["recover"]);
    assert_eq!(code, Some(0), "{text}");
    let service = Running::start(&mut program(&data));
    assert_eq!(service.login("alice").await.0, 200);
    assert_eq!(service.login("bob").await.0, 401, "the copy is older");
    stop(service);
}

#[actix_web::test]
async fn with_less_space_than_min_free_the_service_is_not_ready_and_still_serves() {
    let data = tempfile::tempdir().unwrap();
    let service = Running::start(program(data.path()).env("AUTH__STORAGE__MIN_FREE", "1099511627776"));
    assert_eq!(reasons(&service).await, ["disk_full"]);
    assert_eq!(service.register("alice").await, Some(201));
}

#[actix_web::test]
async fn while_writes_fail_the_service_is_not_ready() {
    let data = tempfile::tempdir().unwrap();
    let service = Running::start(program(data.path()).env("AUTH__DATABASE__TIMEOUT", "1s"));
    assert_eq!(reasons(&service).await, [""; 0]);
    let mut other = SqliteConnection::establish(data.path().join("auth.db").to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    wait_for_reason(&service, "writes_failing").await;
    other.batch_execute("ROLLBACK").unwrap();
    wait_until_ready(&service).await;
    let log = stop(service);
    assert_eq!(log.matches("the database takes no writes").count(), 1, "{log}");
    assert_eq!(log.matches("the database is back").count(), 1, "{log}");
}

#[actix_web::test]
async fn with_a_damaged_database_file_the_service_is_not_ready() {
    for begin in [0, 4096] {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("auth.db");
        stop(Running::start(&mut program(data.path())));
        let service = Running::start(&mut program(data.path()));
        wait_until_ready(&service).await;
        let length = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap();
        let mut damaged = OpenOptions::new().write(true).open(&file).unwrap();
        damaged.seek(SeekFrom::Start(begin)).unwrap();
        damaged.write_all(&vec![0xa5; length - usize::try_from(begin).unwrap()]).unwrap();
        wait_for_reason(&service, "database_corrupt").await;
        assert_eq!(service.get("/livez").await.0, 200);
    }
}

#[actix_web::test]
async fn an_outage_of_postgresql_is_one_log_line_and_its_end_another() {
    let server = Server::start(5432, "", |_| ());
    let data = tempfile::tempdir().unwrap();
    let variables =
        [("AUTH__DATABASE_URL", server.fresh_database().as_str()), ("AUTH__DATABASE__TIMEOUT", "1s")]
            .map(|(name, value)| (name, value.to_owned()));
    let service = Running::start(program(data.path()).envs(variables));
    assert_eq!(service.register("alice").await, Some(201));
    server.crash();
    for _ in 0..5 {
        assert_eq!(service.login("alice").await.0, 503);
        assert_eq!(reasons(&service).await, ["store_unavailable"]);
    }
    server.go_on();
    wait_until_ready(&service).await;
    assert_eq!(service.login("alice").await.0, 200);
    let log = stop(service);
    let of_database: Vec<_> = log.lines().filter(|line| line.contains("database")).collect();
    assert_eq!(of_database.len(), 2, "{of_database:#?}");
    assert!(of_database[1].contains("the database is back after"), "{of_database:#?}");
    assert!(!log.contains(" ERROR ") || log.matches(" ERROR ").count() == 1, "{log}");
}

#[actix_web::test]
async fn a_hanging_database_does_not_make_readyz_hang() {
    let server = Server::start(5432, "", |_| ());
    let data = tempfile::tempdir().unwrap();
    let url = server.fresh_database();
    // Longer than the client's timeout in this test.
    let variables = [("AUTH__DATABASE_URL", url.as_str()), ("AUTH__DATABASE__TIMEOUT", "120s")];
    let service = Running::start(program(data.path()).envs(variables));
    wait_until_ready(&service).await;
    server.signal("STOP");
    wait_for_reason(&service, "store_unavailable").await;
    let (status, retry_after, _) = service.get("/readyz").await;
    server.signal("CONT");
    assert_eq!((status, retry_after), (503, true));
    wait_until_ready(&service).await;
}

#[actix_web::test]
async fn a_dead_pooled_connection_fails_no_request() {
    let server = Server::start(5432, "", |_| ());
    let data = tempfile::tempdir().unwrap();
    let url = server.fresh_database();
    let variables = [("AUTH__DATABASE_URL", url.as_str()), ("AUTH__LIMITS__ENABLED", "false")];
    let service = Running::start(program(data.path()).envs(variables));
    assert_eq!(service.register("alice").await, Some(201));
    let mut other = PgConnection::establish(&url).unwrap();
    for round in 0..5 {
        let logins = futures_util::future::join_all((0..8).map(|_| service.login("alice"))).await;
        let statuses: Vec<u16> = logins.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses, [200; 8], "{round}: all connections were in use");
        other
            .batch_execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle'",
            )
            .unwrap();
        let token = logins[0].1["refresh_token"].as_str().unwrap();
        assert_eq!(service.refresh(token).await.unwrap().0, 200, "{round}");
        assert_eq!(service.login("alice").await.0, 200, "{round}");
        assert_eq!(service.register(&format!("user-{round}")).await, Some(201), "{round}");
    }
}

#[test]
fn the_service_waits_for_its_database_at_the_start() {
    let server = Server::start(5432, "", |_| ());
    let data = tempfile::tempdir().unwrap();
    let url = server.fresh_database();
    server.crash();
    let mut child = program(data.path())
        .env("AUTH__DATABASE_URL", &url)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut until = |text: &str| lines.find(|line| line.as_ref().unwrap().contains(text));
    assert!(until("waits up to 30s for the database").is_some());
    server.go_on();
    assert!(until("listens on").is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    server.crash();
    let waiting = [("AUTH__DATABASE_URL", url.as_str()), ("AUTH__DATABASE__START_TIMEOUT", "1s")];
    let (code, text) = run(data.path(), &waiting, &["serve"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("waits up to 1s") && text.contains("auth-service: the database is unavailable"),
        "{text}"
    );
}
