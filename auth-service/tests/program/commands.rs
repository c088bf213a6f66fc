//! Which files, tables and keys commands create; which servers are live; which issuer a database belongs to. On both databases.

use std::path::PathBuf;
use std::process::Command;

use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, SqliteConnection};
use serde_json::Value;
use tempfile::TempDir;

use crate::database::Database;
use crate::process::{Running, program};

const BOTH: [Database; 2] = [Database::Sqlite, Database::Postgresql];

/// A data folder and a database for the program.
struct Place {
    folder: TempDir,
    url: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

impl Place {
    fn on(database: Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("database")).unwrap();
        let url = database.fresh_url(&folder.path().join("database"));
        Self { folder, url }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self) -> Command {
        let mut command = program(&self.data());
        command.env("AUTH__DATABASE_URL", &self.url);
        command
    }

    fn serve(&self) -> Running {
        Running::start(&mut self.command())
    }

    /// Starts the service, and stops it.
    fn serve_once(&self) {
        let service = self.serve();
        service.signal("-TERM");
        assert_eq!(service.end().0, Some(0));
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        said(self.command().args(arguments))
    }

    fn count(&self, what: &str) -> i64 {
        let query = diesel::sql_query(format!("SELECT count(*) AS count FROM {what}"));
        match self.url.strip_prefix("sqlite://") {
            Some(path) => query.get_result::<Count>(&mut SqliteConnection::establish(path).unwrap()),
            None => query.get_result::<Count>(&mut PgConnection::establish(&self.url).unwrap()),
        }
        .unwrap()
        .count
    }

    /// Returns whether any table was created.
    fn has_tables(&self) -> bool {
        match self.url.strip_prefix("sqlite://") {
            Some(path) => std::path::Path::new(path).exists(),
            None => self.count("pg_tables WHERE schemaname = 'public'") > 0,
        }
    }
}

fn said(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[track_caller]
fn assert_said((code, text): (Option<i32>, String), expected: i32, parts: &[&str]) {
    assert_eq!(code, Some(expected), "{text}");
    assert!(parts.iter().all(|part| text.contains(part)) && !text.contains("panicked"), "{parts:?}: {text}");
}

async fn readiness(service: &Running) -> Value {
    reqwest::get(format!("{}/readyz", service.address)).await.unwrap().json().await.unwrap()
}

#[test]
fn a_command_without_a_database_creates_nothing_and_says_where_it_looked() {
    let commands: [&[&str]; 13] = [
        &["user", "create", "--username", "alice", "--password-stdin"],
        &["user", "roles", "alice"],
        &["user", "disable", "alice"],
        &["user", "free-email", "a@example.com"],
        &["client", "create", "--name", "billing"],
        &["client", "list"],
        &["key", "list"],
        &["key", "rotate"],
        &["key", "rotate", "--emergency"],
        &["audit", "list"],
        &["audit", "verify"],
        &["recover", "--new-master-key"],
        &["migrate", "--revert", "1"],
    ];
    for database in BOTH {
        let place = Place::on(database);
        for arguments in commands {
            let parts = ["there is no database at ", "AUTH__DATABASE_URL", "auth-service: works on "];
            assert_said(place.run(arguments), 1, &parts);
            assert!(!place.data().exists() && !place.has_tables(), "{database:?} {arguments:?}");
        }
    }
    // With the data folder alone, and with an empty file in place of the database.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.db");
    let looked = format!("sqlite://{} (setting `data_dir`, AUTH__DATA_DIR)", path.display());
    assert_said(said(program(folder.path()).args(["audit", "verify"])), 1, &[&looked]);
    std::fs::write(&path, "").unwrap();
    assert_said(said(program(folder.path()).args(["audit", "verify"])), 1, &[&looked]);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn a_database_that_was_only_migrated_has_no_keys_until_it_is_served_or_a_key_is_requested() {
    for database in BOTH {
        let place = Place::on(database);
        assert_said(place.run(&["migrate"]), 0, &["up to date"]);
        assert_said(place.run(&["client", "list"]), 1, &["there is no master key in", "auth-service serve"]);
        assert!(!place.data().join("master.key").exists());
        let with_key = |arguments: &[&str]| {
            said(
                place
                    .command()
                    .env("AUTH__MASTER_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
                    .args(arguments),
            )
        };
        assert_said(with_key(&["client", "list"]), 1, &["the database has no keys yet"]);
        assert_eq!(place.count("keys"), 0);
        assert_said(with_key(&["key", "rotate"]), 0, &["a new key is published"]);
        assert_said(with_key(&["client", "list"]), 0, &[]);
    }
}

#[test]
fn a_lost_master_key_is_replaced_by_a_new_one_only_with_an_explicit_option() {
    for database in BOTH {
        let place = Place::on(database);
        place.serve_once();
        let path = place.data().join("master.key");
        std::fs::remove_file(&path).unwrap();
        for arguments in
            [&["serve"][..], &["audit", "verify"], &["key", "rotate", "--emergency"], &["recover"]]
        {
            let parts = [path.to_str().unwrap(), "AUTH__MASTER_KEY", "recover --new-master-key"];
            assert_said(place.run(arguments), 1, &parts);
            assert!(!path.exists(), "{arguments:?}");
        }
        // Another replica, without the key.
        let elsewhere = place.folder.path().join("elsewhere");
        let replica = said(place.command().env("AUTH__DATA_DIR", &elsewhere));
        assert_said(replica, 1, &["there is no master key in"]);
        assert!(!elsewhere.join("master.key").exists());
        assert_said(
            place.run(&["recover", "--new-master-key"]),
            0,
            &["made a master key in", "made new keys"],
        );
        assert_said(place.run(&["recover", "--new-master-key"]), 1, &["holds a master key"]);
        place.serve_once();
    }
}

#[actix_web::test]
async fn a_command_with_other_settings_does_not_change_what_the_server_signs_with() {
    for database in BOTH {
        let place = Place::on(database);
        let mut command = place.command();
        let service = Running::start(command.env("AUTH__TOKENS__ALGORITHM", "EdDSA"));
        let keys = async || {
            let keys = reqwest::get(format!("{}/.well-known/jwks.json", service.address)).await.unwrap();
            let keys: Value = keys.json().await.unwrap();
            let algorithm = |key: &Value| key["alg"].as_str().unwrap().to_owned();
            keys["keys"].as_array().unwrap().iter().map(algorithm).collect::<Vec<_>>()
        };
        for arguments in
            [&["audit", "list"][..], &["key", "list"], &["client", "create", "--name", "billing"]]
        {
            assert_eq!(place.run(arguments).0, Some(0), "{arguments:?}");
            assert_eq!(keys().await, ["EdDSA"], "{arguments:?}");
        }
        assert_said(place.run(&["key", "rotate"]), 0, &["a new key is published"]);
        assert_eq!(keys().await, ["EdDSA", "EdDSA"]);
        assert_said(place.run(&["key", "rotate", "--emergency"]), 0, &["every signing key was withdrawn"]);
        assert_eq!(keys().await, ["EdDSA"]);
    }
}

#[test]
fn a_command_makes_no_signing_key_for_a_server_with_a_shared_secret() {
    let place = Place::on(Database::Sqlite);
    let secret = "a shared secret of forty-two bytes, no less";
    let variables = [("AUTH__TOKENS__ALGORITHM", "HS256"), ("AUTH__TOKENS__SHARED_SECRET", secret)];
    let _service = Running::start(place.command().envs(variables));
    assert_said(place.run(&["key", "rotate"]), 1, &["no signing key", "HS256"]);
    assert_said(place.run(&["key", "rotate", "--emergency"]), 1, &["no signing key"]);
    assert_eq!(place.count("keys WHERE purpose = 'access'"), 0);
}

#[actix_web::test]
async fn migrations_that_are_not_additive_are_reverted_neither_beside_a_server_nor_without_confirmation() {
    for database in BOTH {
        let place = Place::on(database);
        let service = place.serve();
        assert_eq!(service.register("alice").await, Some(201));
        for arguments in [&["migrate", "--revert", "99"][..], &["migrate", "--revert", "99", "--yes"]] {
            assert_said(
                place.run(arguments),
                1,
                &["1 servers use this database right now", "nothing was reverted"],
            );
        }
        assert_eq!(service.login("alice").await.0, 200);
        // A command with another data folder cannot see the lock of the process, and relies on its row.
        let elsewhere = place.folder.path().join("elsewhere");
        let mut other = place.command();
        let other = other.env("AUTH__DATA_DIR", &elsewhere).args(["migrate", "--revert", "99", "--yes"]);
        service.signal("-KILL");
        service.end();
        assert_said(said(other), 1, &["1 servers use this database"]);
        // In the same data folder the lock shows that the process was killed.
        assert_said(place.run(&["migrate", "--revert", "99"]), 1, &["not additive", "--yes"]);
        assert_eq!(place.count("users"), 1);
        assert_said(place.run(&["migrate", "--revert", "99", "--yes"]), 0, &["reverted migration 0001"]);
        assert_said(place.run(&["client", "list"]), 1, &["there is no database at"]);
    }
}

#[actix_web::test]
async fn a_running_service_notices_missing_tables_and_their_return() {
    for database in BOTH {
        let place = Place::on(database);
        let service = place.serve();
        assert_eq!(readiness(&service).await["status"], "ready");
        assert_said(place.run(&["migrate", "--revert", "1"]), 0, &["reverted migration 0011"]);
        let code = async |code: &str| readiness(&service).await["code"] == code;
        service.wait_until("the missing tables are noticed", async || code("tables_missing").await).await;
        assert_eq!(service.login("alice").await.0, 503);
        assert_said(place.run(&["migrate"]), 0, &["up to date"]);
        service
            .wait_until("the service is ready again", async || service.get("/readyz").await.0 == 200)
            .await;
    }
}

#[actix_web::test]
async fn a_server_is_live_until_it_stops() {
    for database in BOTH {
        let place = Place::on(database);
        let (one, other) = (place.serve(), place.serve());
        assert_eq!(place.count("processes"), 2);
        assert_eq!(place.run(&["client", "list"]).0, Some(0));
        assert_eq!(place.count("processes"), 2, "a command is no server");
        one.signal("-TERM");
        assert_eq!(one.end().0, Some(0));
        assert_eq!(place.count("processes"), 1);
        other.signal("-KILL");
        other.end();
        place.serve_once();
        assert_eq!(place.count("processes"), 0, "rows of killed processes are deleted");
        let locks = std::fs::read_dir(place.data()).unwrap().flatten();
        let left: Vec<_> =
            locks.filter(|file| file.file_name().to_string_lossy().starts_with("process-")).collect();
        assert!(left.is_empty(), "{left:?}");
        let service = place.serve();
        assert_eq!(place.run(&["recover"]).0, Some(0));
        assert_eq!(place.count("processes"), 0);
        drop(service);
    }
}

#[test]
fn a_server_with_another_issuer_does_not_start_unless_the_old_one_is_named() {
    for database in BOTH {
        let place = Place::on(database);
        let with = |issuer: &str| {
            let mut command = place.command();
            command.env("AUTH__ISSUER", issuer);
            command
        };
        let service = Running::start(&mut with("https://id.example"));
        let parts = ["https://id.example", "https://new.example", "AUTH__ISSUER_CHANGE"];
        for arguments in [&["serve"][..], &["client", "list"], &["recover"]] {
            assert_said(said(with("https://new.example").args(arguments)), 1, &parts);
        }
        assert_said(said(&mut with("http://127.0.0.1:1")), 1, &["https://id.example"]);
        drop(service);
        assert_said(said(&mut with("https://new.example")), 1, &parts);
        let wrong = said(with("https://new.example").env("AUTH__ISSUER_CHANGE", "https://other.example"));
        assert_said(wrong, 1, &parts);
        drop(Running::start(with("https://new.example").env("AUTH__ISSUER_CHANGE", "https://id.example")));
        drop(Running::start(&mut with("https://new.example")));
        assert_said(said(&mut with("https://id.example")), 1, &parts);
    }
}

#[test]
fn a_loopback_issuer_replaces_another_while_no_server_is_live() {
    for database in BOTH {
        let place = Place::on(database);
        let with = |issuer: &str| {
            let mut command = place.command();
            command.env("AUTH__ISSUER", issuer);
            command
        };
        let service = Running::start(&mut with("http://127.0.0.1:8080"));
        assert_said(
            said(&mut with("http://localhost:9090")),
            1,
            &["http://127.0.0.1:8080", "AUTH__ISSUER_CHANGE"],
        );
        service.signal("-TERM");
        service.end();
        let service = Running::start(&mut with("http://localhost:9090"));
        assert!(service.said().contains("had the issuer http://127.0.0.1:8080"), "{}", service.said());
        // After the kill, its lock shows that it is gone.
        drop(service);
        drop(Running::start(&mut with("http://[::1]:7070")));
    }
}
