//! The audit trail from an operator's side: commands, signals and crashes, on both databases.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, SqliteConnection};
use serde_json::Value;
use tempfile::TempDir;

use crate::database::Database;
use crate::database::postgresql::Server;
use crate::process::{PASSWORD, Running, program};

const BOTH: [Database; 2] = [Database::Sqlite, Database::Postgresql];

/// A data folder and a database for the program.
struct Place {
    folder: TempDir,
    url: String,
}

impl Place {
    fn on(database: Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = database.fresh_url(folder.path());
        Self { folder, url }
    }

    fn command(&self) -> Command {
        command(self.folder.path(), &self.url)
    }

    fn serve(&self) -> Running {
        Running::start(&mut self.command())
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command().args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }

    fn list(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.command().args(["audit", "list"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    fn assert_whole(&self, remarks: usize) -> String {
        let (code, text) = self.run(&["audit", "verify"]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains(&format!(" 0 findings, {remarks} remarks")), "{text}");
        text
    }
}

fn command(data: &Path, url: &str) -> Command {
    let mut command = program(data);
    command.env("AUTH__DATABASE_URL", url);
    command
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn sigterm_loses_no_event_and_ends_the_chain() {
    for database in BOTH {
        let place = Place::on(database);
        // With this flush interval, only the stop can have written them.
        let mut command = place.command();
        let service = Running::start(command.env("AUTH__AUDIT__FLUSH_INTERVAL", "5s"));
        for number in 0..20 {
            assert_eq!(service.register(&format!("user-{number}")).await, Some(201));
        }
        service.signal("-TERM");
        let (code, log) = service.end();
        assert_eq!(code, Some(0), "{log}");
        let events = place.list(&[]);
        assert_eq!(names(&events).iter().filter(|name| **name == "account_registered").count(), 20);
        assert!(names(&events).contains(&"process_stopped"), "{database:?}");
        place.assert_whole(0);
    }
}

#[actix_web::test]
async fn kill_9_leaves_chains_that_verify() {
    for database in BOTH {
        let place = Place::on(database);
        for round in 0..3 {
            let service = place.serve();
            for number in 0..5 {
                assert_eq!(service.register(&format!("user-{round}-{number}")).await, Some(201));
            }
            service.signal("-KILL");
            service.end();
        }
        let text = place.assert_whole(3);
        assert!(text.contains("was killed"), "{database:?}: {text}");
        assert!(text.contains("3 chains"), "{text}");
    }
}

#[actix_web::test]
async fn events_of_operators_have_their_name_beside_a_running_server() {
    for database in BOTH {
        let place = Place::on(database);
        let service = place.serve();
        let create = ["user", "create", "--username", "alice", "--role", "admin", "--password-stdin"];
        let mut create =
            place.command().args(create).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        create.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
        assert!(create.wait().unwrap().success());
        assert_eq!(service.login("alice").await.0, 200);
        for arguments in [
            &["user", "roles", "alice", "--remove", "admin"][..],
            &["user", "disable", "alice"],
            &["client", "create", "--name", "billing"],
            &["key", "rotate"],
            &["recover"],
        ] {
            assert_eq!(place.run(arguments).0, Some(0), "{arguments:?}");
        }
        let events = place.list(&["--since", "1h"]);
        for name in ["account_created", "role_changed", "account_disabled", "client_created", "recovered"] {
            let event = events.iter().find(|event| event["event"] == name).unwrap();
            let actor = event["actor"].as_str().unwrap();
            assert!(actor.len() > "operator:".len() && actor.starts_with("operator:"), "{event}");
        }
        let rotated = place.list(&["--event", "key_rotated"]);
        let by_command = rotated.iter().find(|event| event["details"]["why"] == "command").unwrap();
        assert!(by_command["actor"].as_str().unwrap().starts_with("operator:"), "{rotated:?}");
        let alices = place.list(&["--subject", "Alice"]);
        let mut listed = names(&alices);
        listed.sort_unstable(); // events of the same second are grouped by chain
        assert_eq!(listed, ["account_created", "account_disabled", "login", "role_changed"]);
        assert_eq!(place.list(&["--since", "2100-01-01T00:00:00"]), Vec::<Value>::new());
        assert_eq!(place.run(&["audit", "list", "--since", "yesterday"]).0, Some(2));
        assert_eq!(place.run(&["audit", "list", "--event", "nothing"]).0, Some(2));
        service.signal("-TERM");
        service.end();
        place.assert_whole(0);
    }
}

/// Returns the last checkpoint of the trail in the log.
fn anchor(log: &str) -> String {
    let (_, anchor) = log.rsplit_once("the audit trail stands at ").unwrap();
    anchor.lines().next().unwrap().trim().to_owned()
}

#[actix_web::test]
async fn a_database_that_was_set_back_as_a_whole_is_detected_by_a_checkpoint_from_the_log() {
    let place = Place::on(Database::Sqlite);
    let file = place.url.strip_prefix("sqlite://").unwrap().to_owned();
    let serve_and_stop = async |name: &str| {
        let service = place.serve();
        assert_eq!(service.register(name).await, Some(201));
        service.signal("-TERM");
        service.end().1
    };
    let earlier = anchor(&serve_and_stop("alice").await);
    let copy = place.folder.path().join("copy.db");
    let backup = format!("VACUUM INTO '{}'", copy.display());
    SqliteConnection::establish(&file).unwrap().batch_execute(&backup).unwrap();
    let later = anchor(&serve_and_stop("bob").await);
    let verify = |anchors: &[&String]| {
        let mut arguments = vec!["audit", "verify"];
        for anchor in anchors {
            arguments.extend(["--anchor", anchor.as_str()]);
        }
        place.run(&arguments)
    };
    assert_eq!(verify(&[&earlier, &later]).0, Some(0));
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{file}{suffix}"));
    }
    std::fs::copy(&copy, &file).unwrap();
    assert_eq!(verify(&[&earlier]).0, Some(1), "the marks in the data folder show it");
    std::fs::remove_file(place.folder.path().join("marks.json")).unwrap();
    assert_eq!(verify(&[&earlier]).0, Some(0), "the copy alone verifies");
    let (code, text) = verify(&[&earlier, &later]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the anchor does not hold"), "{text}");
    assert_eq!(verify(&[&"no anchor".to_owned()]).0, Some(2));
}

#[test]
fn a_trail_whose_key_was_lost_with_the_master_key_is_a_remark_after_a_recovery() {
    let place = Place::on(Database::Sqlite);
    drop(place.serve());
    std::fs::remove_file(place.folder.path().join("master.key")).unwrap();
    assert_eq!(place.run(&["audit", "verify"]).0, Some(1), "the audit key does not open");
    assert_eq!(place.run(&["recover", "--new-master-key"]).0, Some(0));
    let text = place.assert_whole(1);
    assert!(text.contains("its key was lost with the master key"), "{text}");
}

#[test]
fn the_audit_key_survives_another_master_key() {
    let place = Place::on(Database::Sqlite);
    drop(place.serve());
    let key = place.folder.path().join("master.key");
    let previous = std::fs::read_to_string(&key).unwrap();
    std::fs::write(&key, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=").unwrap();
    let mut command = place.command();
    let service = Running::start(command.env("AUTH__MASTER_KEY_PREVIOUS", &previous));
    service.signal("-TERM");
    service.end();
    let resealed = place.list(&["--event", "keys_resealed"]);
    assert_eq!(resealed[0]["details"]["count"], 4, "{resealed:?}"); // access, refresh, audit, names
    place.assert_whole(1);
}

#[actix_web::test]
async fn events_wait_while_the_database_is_away_and_those_that_do_not_fit_are_counted() {
    let server = Server::start(5432, "", |_| ());
    let place = Place { folder: tempfile::tempdir().unwrap(), url: server.fresh_database() };
    let mut command = place.command();
    let few = command.env("AUTH__AUDIT__QUEUE", "16").env("AUTH__AUDIT__BATCH", "1");
    let service = Running::start(few.env("AUTH__DATABASE__TIMEOUT", "1s"));
    assert_eq!(service.register("alice").await, Some(201));
    server.crash();
    // Refused without a query to the database.
    let guess = serde_json::json!({ "username": "alice", "password": "x".repeat(2000) });
    let refused = futures_util::future::join_all((0..40).map(|_| service.try_post("/login", &guess))).await;
    assert!(refused.iter().all(|answer| answer.as_ref().is_some_and(|(status, _)| *status == 401)));
    server.go_on();
    service.wait_until("it is ready again", async || service.get("/readyz").await.0 == 200).await;
    assert_eq!(service.login("alice").await.0, 200);
    service.signal("-TERM");
    let (code, log) = service.end();
    assert_eq!(code, Some(0));
    let events = place.list(&[]);
    let counted = |name: &str| -> u64 {
        let of = events.iter().filter(|event| event["event"] == name);
        of.map(|event| event["details"]["count"].as_u64().unwrap()).sum()
    };
    let stored = events.iter().filter(|event| event["reason"] == "impossible_password").count() as u64;
    let (lost, omitted) = (counted("events_lost"), counted("refusals_omitted"));
    assert_eq!(stored + lost + omitted, 40, "{stored} stored, {lost} lost, {omitted} omitted");
    assert!(stored >= 16 && lost > 0, "{stored} stored, {lost} lost, {omitted} omitted");
    assert_eq!(log.matches("this one is lost to it").count() as u64, lost, "{log}");
    assert!(names(&events).contains(&"account_registered"));
    place.assert_whole(0);
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

fn count(url: &str, what: &str) -> i64 {
    let query = diesel::sql_query(format!("SELECT count(*) AS count FROM {what}"));
    query.get_result::<Count>(&mut PgConnection::establish(url).unwrap()).unwrap().count
}

#[actix_web::test]
async fn a_change_that_commits_during_a_forced_stop_is_in_the_trail() {
    let place = Place::on(Database::Postgresql);
    let service = place.serve();
    let mut holder = PgConnection::establish(&place.url).unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE users IN SHARE MODE").unwrap();
    let stop = async {
        let waits = "pg_locks WHERE NOT granted AND relation = 'users'::regclass";
        service.wait_until("the account waits", async || count(&place.url, waits) == 1).await;
        service.signal("-INT");
        let address = service.address.strip_prefix("http://").unwrap();
        let refuses = async || std::net::TcpStream::connect(address).is_err();
        service.wait_until("the listener is closed", refuses).await;
    };
    let (answer, ()) = futures_util::future::join(service.register("alice"), stop).await;
    assert_eq!(answer, None, "the worker has stopped");
    holder.batch_execute("COMMIT").unwrap();
    service.end();
    assert_eq!(count(&place.url, "users"), 1);
    assert!(names(&place.list(&[])).contains(&"account_registered"));
    place.assert_whole(0);
}
