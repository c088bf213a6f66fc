//! Keys that a process cannot load: withdrawn keys stay withdrawn, and nothing is signed. Also the replacement of the master key,
//! during which every process can load every key.

use auth_service::app;
use auth_service::app::Services;
use auth_service::settings::Settings;
use reqwest::Method;
use serde_json::json;

use crate::api::support::{PASSWORD, Service, Tokens};

/// The master key that a test changes to; the first one is created by the service.
const SECOND: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

async fn kids(service: &Service) -> Vec<String> {
    let keys = service.get("/.well-known/jwks.json").await.json()["keys"].clone();
    keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn until_not_ready(service: &Service) {
    service.wait_until("it is not ready", async || service.get("/readyz").await.status == 503).await;
    let ready = service.get("/readyz").await;
    ready.assert_problem(503, "keys_not_loaded");
    assert_eq!(ready.json()["reasons"][0]["name"], "keys_not_loaded");
    assert!(!ready.header("retry-after").is_empty());
}

async fn until_ready(service: &Service) {
    service.wait_until("it is ready again", async || service.get("/readyz").await.status == 200).await;
}

/// Checks that routes which need a key answer `503`, and that the others still work.
async fn assert_signs_nothing(service: &Service, refresh: &str) {
    service.try_login("alice", PASSWORD).await.assert_problem(503, "keys_not_loaded");
    service.try_refresh(refresh).await.assert_oauth_error(503, "temporarily_unavailable");
    service.get("/status-lists/0").await.assert_problem(503, "keys_not_loaded");
    let logout = service.post("/logout", &json!({ "refresh_token": refresh })).await;
    logout.assert_problem(503, "keys_not_loaded");
    assert_eq!(service.get("/livez").await.status, 200);
}

/// Returns an operator with these master keys on the same database.
async fn operator_with(service: &Service, current: &str, previous: &str) -> Result<Services, String> {
    let mut variables = service.variables.clone();
    variables.insert("AUTH__MASTER_KEY".to_owned(), current.to_owned());
    variables.insert("AUTH__MASTER_KEY_PREVIOUS".to_owned(), previous.to_owned());
    let settings = Settings::load(&variables).unwrap();
    app::build_services(&settings, service.clock.clock()).await.map_err(|error| error.to_string())
}

fn kid(tokens: &Tokens) -> String {
    tokens.header()["kid"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_replica_that_cannot_open_new_keys_withdraws_deleted_ones_and_signs_nothing() {
    let one = Service::start().await;
    let old = one.register_and_login("alice").await;
    let first = one.master_key();
    let swapped = [("AUTH__MASTER_KEY", SECOND), ("AUTH__MASTER_KEY_PREVIOUS", &first)];
    let other = one.replica_with(&swapped).await;
    // The keys are resealed but unchanged: the replica with the old master key continues.
    operator_with(&one, SECOND, "").await.unwrap();
    let old = one.refresh(&old.refresh).await;
    other.operator().await.maintenance.withdraw_signing_keys().await.unwrap();
    assert_eq!(kids(&one).await, Vec::<String>::new(), "withdrawn keys are no longer published");
    one.get_as("/me", &old.access).await.assert_problem(401, "invalid_token");
    until_not_ready(&one).await;
    assert_signs_nothing(&one, &old.refresh).await;
    one.send_as(Method::PATCH, "/me", &old.access, &json!({})).await.assert_problem(503, "keys_not_loaded");
    // In the meantime no token was used up and no session ended. Tokens of the other replica, which has noticed the withdrawal
    // and signs with the new key, are not refused.
    assert_eq!(kids(&other).await.len(), 1);
    let new = other.refresh(&old.refresh).await;
    assert_eq!(other.get_as("/me", &new.access).await.status, 200);
    assert_eq!(one.get_as("/me", &new.access).await.status, 503);
    let one = one.restart(&[("AUTH__MASTER_KEY", &first), ("AUTH__MASTER_KEY_PREVIOUS", SECOND)]).await;
    assert_eq!(one.get("/readyz").await.status, 200);
    assert_eq!(kids(&one).await, kids(&other).await);
    assert_eq!(one.get_as("/me", &new.access).await.status, 200);
    assert_eq!(other.get_as("/me", &one.login("alice").await.access).await.status, 200);
}

#[actix_web::test]
async fn a_key_that_does_not_open_stops_signing_until_it_is_deleted() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let published = kids(&service).await;
    let rows = [
        "INSERT INTO keys VALUES ('forged', 'access', 'ES256', 'AAAA', 1, 1700000000)",
        "INSERT INTO keys VALUES ('forged', 'refresh', 'HS256', 'AAAA', 1, 1700000000)",
        "INSERT INTO keys SELECT 'forged', purpose, algorithm, sealed, created_at, active_from + 1 FROM keys WHERE purpose = 'access'",
    ];
    for row in rows {
        service.run_sql(&format!("{row}; UPDATE issuance SET keys_revision = keys_revision + 1"));
        until_not_ready(&service).await;
        assert_signs_nothing(&service, &tokens.refresh).await;
        assert_eq!(
            kids(&service).await,
            published,
            "keys that are not withdrawn stay published, and none is added"
        );
        assert_eq!(service.get_as("/me", &tokens.access).await.status, 200);
        // It recovers without a new revision.
        service.run_sql("DELETE FROM keys WHERE kid = 'forged'");
        until_ready(&service).await;
        assert_eq!(kid(&service.login("alice").await), published[0]);
    }
    // The key of the audit trail.
    let shift = |by: &str| {
        service.run_sql(&format!(
            "UPDATE keys SET created_at = created_at {by} WHERE purpose = 'audit';
             UPDATE issuance SET keys_revision = keys_revision + 1"
        ));
    };
    shift("+ 1");
    until_not_ready(&service).await;
    assert_signs_nothing(&service, &tokens.refresh).await;
    shift("- 1");
    until_ready(&service).await;
    service.refresh(&tokens.refresh).await;
}

#[actix_web::test]
async fn while_keys_cannot_be_read_nothing_is_signed_and_no_token_is_accepted() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    // Hides a column, because with a missing table the service would serve nothing at all.
    service.run_sql(
        "ALTER TABLE keys RENAME COLUMN sealed TO hidden; UPDATE issuance SET keys_revision = keys_revision + 1",
    );
    until_not_ready(&service).await;
    assert_signs_nothing(&service, &tokens.refresh).await;
    // The token's key may have been withdrawn, so this is not a 401. A token that no key verifies is refused as usual.
    assert_eq!(service.get_as("/me", &tokens.access).await.status, 503);
    let forged = &tokens.access[..tokens.access.len() - 20];
    service.get_as("/me", forged).await.assert_problem(401, "invalid_token");
    service.run_sql("ALTER TABLE keys RENAME COLUMN hidden TO sealed");
    until_ready(&service).await;
    assert_eq!(service.get_as("/me", &tokens.access).await.status, 200);
    service.refresh(&tokens.refresh).await;
}

#[actix_web::test]
async fn an_emergency_rotation_replaces_the_only_signing_key_also_when_it_does_not_open() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    service.run_sql("UPDATE keys SET sealed = 'AAAA' WHERE purpose = 'access'");
    let service = service.restart(&[]).await;
    until_not_ready(&service).await;
    assert_signs_nothing(&service, &tokens.refresh).await;
    let metadata = service.get("/.well-known/openid-configuration").await.json();
    let algorithms = metadata["id_token_signing_alg_values_supported"].as_array();
    assert!(
        algorithms.is_none_or(Vec::is_empty),
        "the algorithms must be those of the published keys: {metadata}"
    );
    service.operator().await.maintenance.withdraw_signing_keys().await.unwrap();
    until_ready(&service).await;
    service.get_as("/me", &tokens.access).await.assert_problem(401, "invalid_token");
    let new = service.refresh(&tokens.refresh).await;
    assert_eq!(service.get_as("/me", &new.access).await.status, 200);
}

#[actix_web::test]
async fn a_recovery_keeps_the_newest_master_key_also_where_the_settings_call_it_the_previous_one() {
    let one = Service::start().await;
    let tokens = one.register_and_login("alice").await;
    let first = one.master_key();
    let after = [("AUTH__MASTER_KEY", SECOND), ("AUTH__MASTER_KEY_PREVIOUS", first.as_str())];
    let other = one.replica_with(&after).await;
    let mut variables = one.variables.clone();
    variables.insert("AUTH__MASTER_KEY".to_owned(), first.clone());
    variables.insert("AUTH__MASTER_KEY_PREVIOUS".to_owned(), SECOND.to_owned());
    let settings = Settings::load(&variables).unwrap();
    app::recover(&settings, one.clock.clock()).await.unwrap();
    operator_with(&one, SECOND, "").await.unwrap();
    let error = operator_with(&one, &first, "").await.err().unwrap();
    assert!(error.contains("opens with this master key"), "{error}");
    other.wait_until("the new keys", async || !kids(&other).await.contains(&kid(&tokens))).await;
    assert_eq!(other.get_as("/me", &other.login("alice").await.access).await.status, 200);
}

#[actix_web::test]
async fn deleted_keys_are_withdrawn_one_by_one_while_the_rest_cannot_be_loaded() {
    let service = Service::start().await;
    let first = service.register_and_login("alice").await;
    service.operator().await.maintenance.rotate_signing_key().await.unwrap();
    service.clock.advance(std::time::Duration::from_secs(7200));
    service.wait_until("two keys", async || kids(&service).await.len() == 2).await;
    let second = service.login("alice").await;
    assert_ne!(kid(&first), kid(&second));
    let first = service.refresh(&first.refresh).await;
    let raise = "UPDATE issuance SET keys_revision = keys_revision + 1";
    service.run_sql(&format!("INSERT INTO keys VALUES ('x', 'access', 'ES256', 'AAAA', 1, 9); {raise}"));
    until_not_ready(&service).await;
    assert_eq!(kids(&service).await.len(), 2);
    service.run_sql(&format!("DELETE FROM keys WHERE kid = '{}'; {raise}", kid(&second)));
    assert_eq!(kids(&service).await.len(), 1);
    service.get_as("/me", &second.access).await.assert_problem(401, "invalid_token");
    service.get_as("/me", &first.access).await.assert_problem(401, "invalid_token");
}

#[actix_web::test]
async fn a_forged_key_row_changes_nothing_for_a_running_process_and_stops_one_that_starts() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let published = kids(&service).await;
    service.run_sql("INSERT INTO keys VALUES ('forged', 'access', 'ES256', 'AAAA', 1, 1700000000)");
    service.refresh(&service.login("alice").await.refresh).await;
    let service = service.restart(&[]).await;
    until_not_ready(&service).await;
    assert_signs_nothing(&service, &tokens.refresh).await;
    assert_eq!(kids(&service).await, published);
    let error = service.operator().await.maintenance.rotate_signing_key().await.unwrap_err();
    assert!(error.to_string().contains("do not open with this master key"), "{error}");
    // An emergency rotation replaces every row.
    service.operator().await.maintenance.withdraw_signing_keys().await.unwrap();
    until_ready(&service).await;
    service.get_as("/me", &tokens.access).await.assert_problem(401, "invalid_token");
    let new = service.refresh(&tokens.refresh).await;
    assert_eq!(kids(&service).await, [kid(&new)]);
}

#[actix_web::test]
async fn the_master_key_is_replaced_while_every_replica_can_open_every_key() {
    let one = Service::start().await;
    let tokens = one.register_and_login("alice").await;
    let first = one.master_key();
    // First, every replica gets both master keys ...
    let before = [("AUTH__MASTER_KEY", first.as_str()), ("AUTH__MASTER_KEY_PREVIOUS", SECOND)];
    let after = [("AUTH__MASTER_KEY", SECOND), ("AUTH__MASTER_KEY_PREVIOUS", first.as_str())];
    let one = one.restart(&before).await;
    let other = one.replica_with(&before).await;
    operator_with(&one, &first, "").await.unwrap(); // nothing is sealed with the second master key yet
    // ... then the two are swapped, with an emergency rotation by either replica in between.
    let other = other.restart(&after).await;
    operator_with(&one, SECOND, "").await.unwrap();
    for replica in [&one, &other] {
        let before = kids(replica).await;
        replica.operator().await.maintenance.withdraw_signing_keys().await.unwrap();
        for service in [&one, &other] {
            service.wait_until("the new keys are loaded", async || kids(service).await != before).await;
            let published = kids(service).await;
            assert_eq!(published, [kid(&service.login("alice").await)]);
            assert_eq!(service.get("/readyz").await.status, 200);
        }
        // Made by either replica, the new key is sealed with the newest master key.
        operator_with(&one, SECOND, "").await.unwrap();
    }
    // A start with the older master key first does not reseal with it.
    let one = one.restart(&[]).await;
    assert_eq!(one.get("/readyz").await.status, 200);
    operator_with(&one, SECOND, "").await.unwrap();
    let error = operator_with(&one, &first, "").await.err().unwrap();
    assert!(error.contains("opens with this master key"), "{error}");
    let one = one.restart(&[("AUTH__MASTER_KEY", SECOND), ("AUTH__MASTER_KEY_PREVIOUS", "")]).await;
    let other = other.restart(&[("AUTH__MASTER_KEY_PREVIOUS", "")]).await;
    let next = one.refresh(&tokens.refresh).await;
    assert_eq!(other.get_as("/me", &next.access).await.status, 200);
}

#[actix_web::test]
async fn a_process_with_an_older_master_key_makes_no_key_that_others_could_not_open() {
    let one = Service::start().await;
    let operator = one.operator().await;
    let first = one.master_key();
    let other =
        one.replica_with(&[("AUTH__MASTER_KEY", SECOND), ("AUTH__MASTER_KEY_PREVIOUS", &first)]).await;
    let rotated = operator.maintenance.rotate_signing_key().await.unwrap_err().to_string();
    let withdrawn = operator.maintenance.withdraw_signing_keys().await.unwrap_err().to_string();
    for error in [rotated, withdrawn] {
        assert!(error.contains("a newer master key than this one"), "{error}");
    }
    assert_eq!(kids(&one).await, kids(&other).await);
    assert_eq!(kids(&other).await.len(), 1);
    assert_eq!(one.get("/readyz").await.status, 200);
}
