//! Databases that were set back, from an operator's side: a restored file, a standby that lacks commits, commands.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use serde_json::Value;

use crate::database::postgresql::Server;
use crate::process::{Running, program};

fn run(data: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = program(data).args(arguments).stderr(Stdio::piped()).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// Copies the files of an SQLite database that no process has open.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("auth.db{suffix}");
        let _ = fs::remove_file(to.join(&name));
        if from.join(&name).exists() {
            fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

/// Checks a process whose database is behind its marks: it runs, reports that, serves nothing, and no command works.
async fn assert_not_served(data: &Path) {
    for arguments in [&["key", "list"][..], &["user", "disable", "alice"], &["audit", "list"]] {
        let (code, text) = run(data, arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {text}");
        assert!(text.contains("`auth-service recover`"), "{arguments:?}: {text}");
    }
    let service = Running::start(&mut program(data));
    for (path, status) in [("/livez", 200), ("/readyz", 503), ("/.well-known/jwks.json", 503)] {
        assert_eq!(service.get(path).await.0, status, "{path}");
    }
    assert_eq!(service.login("alice").await.0, 503);
    service.signal("-TERM");
    let (code, log) = service.end();
    assert_eq!(code, Some(0), "{log}");
}

#[actix_web::test]
async fn a_copy_from_before_a_command_is_not_served_until_recover() {
    let folder = tempfile::tempdir().unwrap();
    let (data, kept) = (folder.path().join("data"), folder.path().join("kept"));
    let service = Running::start(&mut program(&data));
    assert_eq!(service.register("alice").await, Some(201));
    let (_, tokens) = service.login("alice").await;
    service.signal("-TERM");
    service.end();
    copy(&data, &kept);
    for command in [&["key", "rotate", "--emergency"][..], &["user", "disable", "alice"]] {
        let (code, text) = run(&data, command);
        assert_eq!(code, Some(0), "{text}");
        copy(&data, &folder.path().join("newer"));
        copy(&kept, &data);
        let service = Running::start(&mut program(&data));
        let said = service.get("/readyz").await.0;
        service.signal("-TERM");
        let (_, log) = service.end();
        assert_eq!(said, 503, "{command:?}: {log}");
        assert_not_served(&data).await;
        // The finding is stored in the marks: without them, the original database is accepted.
        fs::remove_file(data.join("marks.json")).unwrap();
        copy(&folder.path().join("newer"), &data);
        assert_eq!(run(&data, &["key", "list"]).0, Some(0));
    }
    copy(&kept, &data);
    assert_not_served(&data).await;
    let mut database = SqliteConnection::establish(data.join("auth.db").to_str().unwrap()).unwrap();
    database.batch_execute("UPDATE users SET email = 'alice@bücher.example'").unwrap();
    drop(database);
    let (code, text) = run(&data, &["migrate"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("addresses of accounts are left as they are"), "{text}");
    assert!(!text.contains("written in the canonical spelling"), "{text}");
    let (code, text) = run(&data, &["recover"]);
    assert_eq!(code, Some(0), "{text}");
    let (_, text) = run(&data, &["migrate"]);
    assert!(text.contains("1 written in the canonical spelling"), "{text}");
    let service = Running::start(&mut program(&data));
    assert_eq!(service.get("/readyz").await.0, 200);
    assert_eq!(service.refresh(tokens["refresh_token"].as_str().unwrap()).await.unwrap().0, 400);
    assert_eq!(service.login("alice").await.0, 200, "the copy is from before she was disabled");
}

#[actix_web::test]
async fn marks_that_were_written_before_a_crash_count_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (data, kept) = (folder.path().join("data"), folder.path().join("kept"));
    let service = Running::start(&mut program(&data));
    assert_eq!(service.register("alice").await, Some(201));
    service.signal("-TERM");
    service.end();
    copy(&data, &kept);
    let service = Running::start(&mut program(&data));
    let (_, tokens) = service.login("alice").await;
    let body = serde_json::json!({ "refresh_token": tokens["refresh_token"] });
    let before = fs::read(data.join("marks.json")).unwrap();
    assert_eq!(service.post("/logout", &body).await.0, 204);
    let newer = |book: &[u8]| {
        let book: Value = serde_json::from_slice(book).unwrap();
        book["databases"].as_object().unwrap().values().next().unwrap()["lists"].clone()
    };
    service
        .wait_until("the marks", async || {
            newer(&fs::read(data.join("marks.json")).unwrap()) != newer(&before)
        })
        .await;
    service.signal("-KILL");
    service.end();
    copy(&kept, &data);
    assert_not_served(&data).await;
}

#[actix_web::test]
async fn a_failover_to_a_standby_that_lacks_commits_serves_no_request_from_it() {
    let server = Server::start(5432, "", |_| ());
    let folder = tempfile::tempdir().unwrap();
    let url = server.fresh_database();
    let service = Running::start(program(folder.path()).env("AUTH__DATABASE_URL", &url));
    assert_eq!(service.register("alice").await, Some(201));
    server.keep_a_copy();
    service.wait_until("the service is ready again", async || service.get("/readyz").await.0 == 200).await;
    let (_, tokens) = service.login("alice").await;
    let body = serde_json::json!({ "refresh_token": tokens["refresh_token"] });
    assert_eq!(service.post("/logout", &body).await.0, 204);
    assert_eq!(service.get("/status-lists/0").await.0, 200, "the service has seen this state");
    server.go_on_with_the_copy();
    // At no moment: each connection is checked before it is used.
    service
        .wait_until("the failover is noticed", async || {
            let (status, answer) = service.login("alice").await;
            assert_eq!(status, 503, "{answer}");
            answer["code"] == "database_behind"
        })
        .await;
    assert_eq!((service.get("/readyz").await.0, service.get("/livez").await.0), (503, 200));
    let recover = program(folder.path()).env("AUTH__DATABASE_URL", &url).arg("recover").output().unwrap();
    assert_eq!(recover.status.code(), Some(0), "{recover:?}");
    service.wait_until("the service is ready again", async || service.get("/readyz").await.0 == 200).await;
    assert_eq!(service.login("alice").await.0, 200);
}

#[actix_web::test]
async fn a_folder_that_cannot_be_written_is_one_warning() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(Path::new("/proc/self"));
    command.env("AUTH__DATABASE_URL", format!("sqlite://{}/auth.db", folder.path().display()));
    command.env("AUTH__MASTER_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
    let service = Running::start(&mut command);
    let said = service.until_it_says("cannot keep marks");
    for name in ["alice", "bob"] {
        assert_eq!(service.register(name).await, Some(201));
        let (_, tokens) = service.login(name).await;
        let body = serde_json::json!({ "refresh_token": tokens["refresh_token"] });
        assert_eq!(service.post("/logout", &body).await.0, 204);
    }
    assert_eq!(service.get("/readyz").await.0, 200);
    service.signal("-TERM");
    let (code, log) = service.end(); // at the stop it tries once more
    assert_eq!((code, (said + &log).matches("cannot keep marks").count()), (Some(0), 1), "{log}");
}
