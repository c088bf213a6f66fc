//! The database: its part in `/readyz`, the files that a stop leaves, and empty files of settings.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};

use super::support::{World, until};

fn program(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resource-service"));
    command.env_clear().env("RESOURCE__DATA_DIR", data).env("RESOURCE__LISTEN", "127.0.0.1:0");
    command.env("RESOURCE__ISSUER", "http://127.0.0.1:1").stdin(Stdio::null());
    command
}

/// Returns the names of the reasons why the service is not ready.
async fn reasons(world: &World) -> Vec<String> {
    let body = world.get("/readyz", None).await.json();
    let named = body["reasons"].as_array().cloned().unwrap_or_default();
    named.iter().map(|reason| reason["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_empty_file_behind_a_variable_is_an_error_that_names_both() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("secret"));
    let path = file.to_str().unwrap();
    for name in ["RESOURCE__SHARED_SECRET_FILE", "RESOURCE__ISSUER_CA_FILE", "RESOURCE__CLIENT_SECRET_FILE"] {
        for content in ["", " \n"] {
            std::fs::write(&file, content).unwrap();
            let output = program(&data).env(name, path).output().unwrap();
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{name}: {text}");
            assert!(text.contains(name) && text.contains(path), "{name}: {text}");
        }
    }
    assert!(!data.exists(), "nothing was made");
}

#[test]
fn a_graceful_stop_leaves_no_write_ahead_log() {
    let data = tempfile::tempdir().unwrap();
    let mut child = program(data.path()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let said = lines.by_ref().map(Result::unwrap).find(|line| line.contains("listens on")).unwrap();
    let address = said.rsplit("http://").next().unwrap().trim().to_owned();
    // The request makes the first connection, and writes.
    let mut connection = TcpStream::connect(address).unwrap();
    connection.write_all(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    connection.read_to_string(&mut String::new()).unwrap();
    assert!(data.path().join("resource.db-wal").exists(), "there is something to leave behind");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest:?}");
    assert!(!data.path().join("resource.db-wal").exists(), "{rest:?}");
}

#[actix_web::test]
async fn while_writes_fail_it_is_not_ready() {
    let world = World::with(&[], &[("RESOURCE__DATABASE__TIMEOUT", "1s")]).await;
    world.until_ready().await;
    let path = world.folder().join("resource.db");
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    // The check waits for the write as long as an answer may take.
    until(|| async { !reasons(&world).await.is_empty() }).await;
    other.batch_execute("COMMIT").unwrap();
    world.until_ready().await;
}

#[actix_web::test]
async fn with_a_table_that_cannot_be_read_it_is_not_ready() {
    let world = World::start().await;
    world.until_ready().await;
    let path = world.folder().join("resource.db");
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other.batch_execute("ALTER TABLE records RENAME TO elsewhere").unwrap();
    until(|| async { reasons(&world).await == ["store_unavailable"] }).await;
    other.batch_execute("ALTER TABLE elsewhere RENAME TO records").unwrap();
    world.until_ready().await;
}

#[actix_web::test]
async fn with_less_room_than_min_free_it_is_not_ready() {
    let world = World::without_issuer(&[], &[("RESOURCE__STORAGE__MIN_FREE", "1099511627776")]);
    assert_eq!(reasons(&world).await, ["keys_unavailable", "disk_full"]);
}
