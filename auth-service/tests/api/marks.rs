//! A database that was set back is not served until it is recovered.

use auth_service::app;
use auth_service::settings::Settings;
use reqwest::Method;
use serde_json::Value;

use crate::api::support::{Service, send};

/// In an order in which foreign keys allow inserts.
const TABLES: [&str; 11] = [
    "users",
    "sessions",
    "keys",
    "issuance",
    "master_keys",
    "status_lists",
    "revocations",
    "clients",
    "guesses",
    "audit_events",
    "audit_heads",
];

/// Copies all tables inside the database, so that `restore` can set it back under the service's open connections.
fn back_up(service: &Service) {
    let copies = TABLES.map(|table| format!("CREATE TABLE kept_{table} AS SELECT * FROM {table};"));
    service.run_sql(&copies.concat());
}

fn restore(service: &Service) {
    let empty = TABLES.iter().rev().map(|table| format!("DELETE FROM {table};"));
    let fill = TABLES.iter().map(|table| format!("INSERT INTO {table} SELECT * FROM kept_{table};"));
    let statements: String = empty.chain(fill).collect();
    service.run_sql(&format!("BEGIN; {statements} COMMIT"));
}

async fn recover(service: &Service) {
    let settings = Settings::load(&service.variables).unwrap();
    app::recover(&settings, service.clock.clock()).await.unwrap();
}

async fn until_ready(service: &Service) {
    service.wait_until("it is ready", async || service.get("/readyz").await.status == 200).await;
}

async fn assert_not_served(service: &Service) {
    service
        .wait_until("the set-back database is noticed", async || service.get("/readyz").await.status == 503)
        .await;
    let ready = service.get("/readyz").await;
    ready.assert_problem(503, "database_behind");
    assert_eq!(ready.json()["reasons"][0]["name"], "database_behind");
    assert_eq!(service.get("/livez").await.status, 200);
    let routes = [
        (Method::GET, "/me"),
        (Method::GET, "/.well-known/jwks.json"),
        (Method::GET, "/.well-known/openid-configuration"),
        (Method::GET, "/status-lists"),
        (Method::GET, "/status-lists/0"),
        (Method::GET, "/status-lists/events"),
        (Method::GET, "/password-policy"),
        (Method::GET, "/admin/users"),
        (Method::GET, "/nowhere"),
        (Method::POST, "/register"),
        (Method::POST, "/login"),
        (Method::POST, "/logout"),
        (Method::DELETE, "/me/sessions"),
    ];
    for (method, path) in routes {
        let answer = send(service.request(method, path)).await;
        answer.assert_problem(503, "database_behind");
        assert!(!answer.header("retry-after").is_empty());
    }
    for path in ["/token", "/revoke", "/introspect"] {
        service.post_form(path, "token=x").await.assert_oauth_error(503, "temporarily_unavailable");
    }
}

fn marks(service: &Service) -> Value {
    let file = std::path::Path::new(&service.variables["AUTH__DATA_DIR"]).join("marks.json");
    std::fs::read(file).map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap())
}

/// Returns the marks of the only database in the file.
fn only_mark(service: &Service) -> Value {
    let marks = marks(service);
    let Some(databases) = marks["databases"].as_object() else { return Value::Null };
    assert_eq!(databases.len(), 1, "{marks}");
    databases.values().next().unwrap().clone()
}

/// Stops the service, and waits until its last audit events and its marks are written.
async fn stop(service: &Service) {
    service.stop().await;
    service
        .wait_until("the marks are written", async || {
            let open = service.count("audit_heads WHERE closed_at IS NULL");
            let newest = "SELECT max(number) FROM audit_heads";
            let heads = only_mark(service)["audit"].as_object().cloned().unwrap_or_default();
            let is_marked = |(chain, head): (&String, &Value)| {
                let (number, position) = (&head["number"], &head["position"]);
                let row = format!("chain = '{chain}' AND position = {position} AND number = ({newest})");
                number.is_i64() && service.count(&format!("audit_heads WHERE {row}")) == 1
            };
            open == 0 && heads.iter().any(is_marked)
        })
        .await;
}

#[actix_web::test]
async fn a_database_that_is_set_back_under_a_running_service_is_not_served_until_it_is_recovered() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    back_up(&service);
    service.logout(&tokens.access).await;
    assert!(service.revokes(&tokens).await);
    restore(&service);
    assert_not_served(&service).await;
    // Commands do not work with it either, once this is in the marks.
    let settings = Settings::load(&service.variables).unwrap();
    service
        .wait_until("commands refuse", async || {
            let error = app::build_services(&settings, service.clock.clock()).await.err();
            error.is_some_and(|error| error.to_string().contains("`auth-service recover`"))
        })
        .await;
    recover(&service).await;
    until_ready(&service).await;
    service.try_refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
    service.get_as("/me", &tokens.access).await.assert_problem(401, "invalid_token");
    let new = service.login("alice").await;
    service.refresh(&new.refresh).await;
    assert!(!service.revokes(&new).await);
    // The same copy again: the marks under its id still exist.
    restore(&service);
    assert_not_served(&service).await;
    recover(&service).await;
    until_ready(&service).await;
    assert_eq!(service.get_as("/me", &service.login("alice").await.access).await.status, 200);
}

#[actix_web::test]
async fn a_database_that_is_set_back_before_a_start_is_not_served_until_it_is_recovered() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    stop(&service).await;
    back_up(&service);
    let service = service.restart(&[]).await;
    // Only the audit trail shows this change.
    service.refresh(&tokens.refresh).await;
    stop(&service).await;
    restore(&service);
    let service = service.restart(&[]).await;
    assert_not_served(&service).await;
    assert_eq!(
        service.count("audit_heads"),
        service.count("kept_audit_heads"),
        "nothing was written to the database"
    );
    // A replica without marks writes to it; it is still behind the marks.
    let replica = service.replica().await;
    replica.operator().await.maintenance.withdraw_signing_keys().await.unwrap();
    for _ in 0..3 {
        replica.logout(&replica.login("alice").await.access).await;
    }
    let service = service.restart(&[]).await;
    assert_not_served(&service).await;
    recover(&service).await;
    until_ready(&service).await;
    until_ready(&replica).await;
    service.try_refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
    let new = service.login("alice").await;
    replica
        .wait_until("the replica has the new keys", async || {
            replica.get_as("/me", &new.access).await.status == 200
        })
        .await;
    let service = service.restart(&[]).await;
    assert_eq!(service.get("/readyz").await.status, 200);
}

#[actix_web::test]
async fn a_recovery_begins_an_epoch_above_all_that_were_seen_and_gives_the_database_another_id() {
    let service = Service::start().await;
    let name = async || {
        let operator = service.operator().await;
        operator.store.read(auth_service::store::issuance::read).await.unwrap()
    };
    back_up(&service);
    let before = name().await;
    recover(&service).await;
    recover(&service).await;
    let twice = name().await;
    assert_eq!(twice.epoch, before.epoch + 2);
    restore(&service);
    assert_not_served(&service).await;
    recover(&service).await;
    until_ready(&service).await;
    let after = name().await;
    assert_eq!(after.epoch, twice.epoch + 1, "although the copy was from epoch {}", before.epoch);
    let names: std::collections::BTreeSet<_> =
        [before, twice, after].into_iter().map(|issuance| issuance.database_id.unwrap()).collect();
    assert_eq!(names.len(), 3);
}

#[actix_web::test]
async fn processes_that_share_a_data_folder_keep_their_marks_in_one_file() {
    let one = Service::start().await;
    let folder = one.variables["AUTH__DATA_DIR"].clone();
    let other = one.replica_with(&[("AUTH__DATA_DIR", &folder)]).await;
    let tokens = one.register_and_login("alice").await;
    for service in [&one, &other] {
        let tokens = service.login("alice").await;
        service.logout(&tokens.access).await;
    }
    other.operator().await.maintenance.rotate_signing_key().await.unwrap();
    let list = one.status_list(tokens.status_index().0).await["revision"].clone();
    let keys = one.get("/.well-known/jwks.json").await.json()["revision"].clone();
    one.wait_until("all marks are written", async || {
        let mark = only_mark(&one);
        let chains = mark["audit"].as_object().map_or(0, serde_json::Map::len);
        mark["lists"]["0"] == list && mark["keys_revision"] == keys && chains >= 2
    })
    .await;
    one.stop().await;
    other.stop().await;
    let mut left: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("marks"))
        .collect();
    left.sort();
    assert_eq!(left, ["marks.json", "marks.lock"]);
}

#[actix_web::test]
async fn the_marks_include_what_a_command_committed() {
    let service = Service::start().await;
    stop(&service).await;
    let before = only_mark(&service)["keys_revision"].as_i64().unwrap();
    let operator = service.operator().await;
    operator.maintenance.rotate_signing_key().await.unwrap();
    operator.maintenance.save_marks().await;
    assert_eq!(only_mark(&service)["keys_revision"].as_i64().unwrap(), before + 1);
}

#[actix_web::test]
async fn when_marks_cannot_be_stored_readyz_says_so_and_those_in_memory_count() {
    let master_key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    // A folder in which no process can create a file, not even as root.
    let service = Service::with(&[("AUTH__DATA_DIR", "/proc/self"), ("AUTH__MASTER_KEY", master_key)]).await;
    let tokens = service.register_and_login("alice").await;
    service
        .wait_until("the note", async || {
            let ready = service.get("/readyz").await;
            assert_eq!(ready.status, 200);
            ready.json()["notes"][0]["name"] == "marks_not_kept"
        })
        .await;
    back_up(&service);
    service.logout(&tokens.access).await;
    assert!(service.revokes(&tokens).await);
    restore(&service);
    assert_not_served(&service).await;
    recover(&service).await;
    until_ready(&service).await;
}

#[actix_web::test]
async fn a_damaged_marks_file_is_one_error_message_at_start() {
    let service = Service::start().await;
    stop(&service).await;
    let file = std::path::Path::new(&service.variables["AUTH__DATA_DIR"]).join("marks.json");
    std::fs::write(&file, "{\"databases\": 7}").unwrap();
    let settings = Settings::load(&service.variables).unwrap();
    let error = app::build_services(&settings, service.clock.clock()).await.err().unwrap().to_string();
    assert!(error.contains("marks.json is not what this program wrote"), "{error}");
}
