//! Rotation of keys: by schedule, by command and in an emergency; replacement of the master key.

use std::time::Duration;

use auth_service::app;
use auth_service::domain::keyring::{KeyringError, Rotated};
use auth_service::domain::maintenance::MaintenanceRules;
use auth_service::settings::Settings;
use serde_json::Value;
use shared_claims::{
    Verifier,
    error::Refusal,
    verifier::{Clock, Readiness},
};

use crate::api::load::Load;
use crate::api::support::{Answer, PASSWORD, START, Service, part};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const OTHER_MASTER_KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

async fn keys(service: &Service) -> Answer {
    service.get("/.well-known/jwks.json").await
}

async fn kids(service: &Service) -> Vec<String> {
    let keys = keys(service).await.json()["keys"].clone();
    keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn until_published(service: &Service, count: usize) {
    service.wait_until("the number of keys", async || kids(service).await.len() == count).await;
}

#[actix_web::test]
async fn a_key_is_published_ahead_then_signs_and_stays_published_for_what_it_signed() {
    let service = Service::with(&[("AUTH__KEYS__ROTATE_EVERY", "10d")]).await;
    let first = service.register_and_login("alice").await;
    assert_eq!(keys(&service).await.header("cache-control"), "public, max-age=300, s-maxage=0");
    // A verifier that caches the key set until `max-age` gets the new key in time.
    service.clock.advance(9 * DAY + 21 * HOUR + Duration::from_secs(3590));
    let soon = keys(&service).await;
    assert_eq!(
        (kids(&service).await.len(), soon.header("cache-control")),
        (1, "public, max-age=10, s-maxage=0")
    );
    service.clock.advance(Duration::from_secs(10));
    until_published(&service, 2).await;
    let before = service.login("alice").await;
    assert_eq!(before.header()["kid"], first.header()["kid"], "published, and not used yet");
    service.clock.advance(2 * HOUR);
    let after = service.login("alice").await;
    assert_ne!(after.header()["kid"], first.header()["kid"]);
    assert_eq!(part(&service.get("/status-lists/0").await.text, 0)["kid"], after.header()["kid"]);
    for tokens in [&before, &after] {
        service.refresh(&tokens.refresh).await;
    }
    // The last status list that the old key signed is valid for a day, and verifiers' clocks may be five minutes behind.
    service.clock.advance(DAY + Duration::from_secs(299));
    assert_eq!(kids(&service).await.len(), 2);
    service.clock.advance(Duration::from_secs(1));
    until_published(&service, 1).await;
    assert_eq!(kids(&service).await, [after.header()["kid"].as_str().unwrap()]);
}

#[actix_web::test]
async fn two_replicas_with_a_due_rotation_make_one_key() {
    let one = Service::with(&[("AUTH__KEYS__ROTATE_EVERY", "10d")]).await;
    let other = one.replica().await;
    one.clock.advance(10 * DAY);
    until_published(&one, 2).await;
    until_published(&other, 2).await;
    assert_eq!(kids(&one).await, kids(&other).await);
    // The rotation is late: the key is published for two hours all the same.
    one.register("alice").await;
    let kid = |tokens: &crate::api::support::Tokens| tokens.header()["kid"].as_str().unwrap().to_owned();
    assert_eq!(kid(&one.login("alice").await), kids(&one).await[0]);
    one.clock.advance(2 * HOUR);
    assert_eq!(kid(&other.login("alice").await), kids(&one).await[1]);
}

#[actix_web::test]
async fn an_operator_rotates_keys_beside_the_running_service_without_a_failed_request() {
    let service = Service::start().await;
    let old = service.register_and_login("alice").await;
    let operator = service.operator().await;
    let at = i64::try_from(START).unwrap() + 7200;
    assert_eq!(operator.maintenance.rotate_signing_key().await.unwrap(), Rotated::From(at));
    assert_eq!(operator.maintenance.rotate_signing_key().await.unwrap(), Rotated::OnItsWay(at));
    until_published(&service, 2).await;
    assert_eq!(service.get_as("/me", &old.access).await.status, 200);
    service.clock.advance(2 * HOUR);
    assert_ne!(service.login("alice").await.header()["kid"], old.header()["kid"]);
    service.refresh(&old.refresh).await;
}

#[actix_web::test]
async fn after_an_emergency_rotation_tokens_of_the_old_keys_are_refused_and_sessions_continue() {
    let service = Service::start().await;
    let other = service.replica().await;
    let old = service.register_and_login("alice").await;
    let revision = |answer: &Answer| answer.json()["revision"].as_i64().unwrap();
    let before = revision(&keys(&service).await);
    service.operator().await.maintenance.withdraw_signing_keys().await.unwrap();
    for service in [&service, &other] {
        // The key set is never older than the database.
        let now = keys(service).await;
        assert!(revision(&now) > before);
        let kids = kids(service).await;
        assert!(kids.len() == 1 && kids[0] != old.header()["kid"].as_str().unwrap());
        service.get_as("/me", &old.access).await.assert_problem(401, "invalid_token");
        let list = service.get("/status-lists/0").await;
        assert_eq!(part(&list.text, 0)["kid"].as_str(), Some(kids[0].as_str()), "signed again");
    }
    let new = service.refresh(&old.refresh).await;
    assert_eq!(other.get_as("/me", &new.access).await.status, 200);
}

#[actix_web::test]
async fn verifiers_refuse_a_withdrawn_key_as_soon_as_they_get_the_event() {
    let service = Service::start().await;
    let other = service.replica().await;
    let old = service.register_and_login("alice").await;
    let verifiers = [service.verifier(), other.verifier()];
    for verifier in &verifiers {
        service.wait_until("the stream", async || is_listening(verifier)).await;
        verifier.verify(&old.access).await.unwrap();
    }
    service.operator().await.maintenance.withdraw_signing_keys().await.unwrap();
    for verifier in &verifiers {
        service
            .wait_until("the key is gone", async || {
                verifier.verify_now(&old.access).is_err_and(|why| why == Refusal::UnknownKey)
            })
            .await;
        verifier.verify(&service.refresh(&old.refresh).await.access).await.unwrap();
    }
}

/// Returns whether the verifier has a stream of events.
fn is_listening(verifier: &Verifier) -> bool {
    let readiness = verifier.readiness();
    matches!(readiness, Readiness::Ready { revocations: Some(known), .. } if known.streaming)
}

#[actix_web::test]
async fn a_forged_row_in_the_key_table_is_neither_published_nor_used() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let published = kids(&service).await;
    // Copies of a real key with another id or another time, and invalid rows.
    service.run_sql(
        "INSERT INTO keys SELECT 'forged-1', purpose, algorithm, sealed, created_at, active_from + 1 FROM keys WHERE purpose = 'access';
         INSERT INTO keys SELECT 'forged-2', 'access', 'ES256', sealed, created_at, 5 FROM keys WHERE purpose = 'refresh';
         INSERT INTO keys VALUES ('forged-3', 'access', 'HS256', 'AAAA', 1, 1700000000);
         INSERT INTO keys VALUES ('forged-4', 'refresh', 'HS256', 'AAAA', 1, 1700000000);",
    );
    let next = service.refresh(&tokens.refresh).await;
    assert_eq!(next.header()["kid"], tokens.header()["kid"]);
    // With a new revision the rows stop the service, and no forged key is used.
    service.run_sql("UPDATE issuance SET keys_revision = keys_revision + 1");
    assert_eq!(kids(&service).await, published);
    service.try_refresh(&next.refresh).await.assert_oauth_error(503, "temporarily_unavailable");
    let service = service.restart(&[]).await;
    assert_eq!(kids(&service).await, published);
    service.try_refresh(&next.refresh).await.assert_oauth_error(503, "temporarily_unavailable");
    assert_eq!(service.get_as("/me", &next.access).await.status, 200);
    service.run_sql("DELETE FROM keys WHERE kid LIKE 'forged-%'");
    service
        .wait_until("it signs again", async || service.try_login("alice", PASSWORD).await.status == 200)
        .await;
    // A real key with a changed time does not open either: a process that starts then signs nothing, and reports that.
    service.run_sql(
        "UPDATE keys SET active_from = active_from + 7 WHERE purpose = 'access' AND active_from = 0",
    );
    let started = service.replica().await;
    started.get("/readyz").await.assert_problem(503, "keys_not_loaded");
    assert_eq!(kids(&started).await, Vec::<String>::new());
    // The running service continues with the keys in memory.
    assert_eq!(service.login("alice").await.header()["kid"], tokens.header()["kid"]);
}

#[actix_web::test]
async fn the_master_key_is_replaced_without_a_failed_request() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let old = service.master_key();
    let service =
        service.restart(&[("AUTH__MASTER_KEY", OTHER_MASTER_KEY), ("AUTH__MASTER_KEY_PREVIOUS", &old)]).await;
    assert_eq!(service.get_as("/me", &tokens.access).await.status, 200);
    // From now on the old master key is not needed any more ...
    let service = service.restart(&[("AUTH__MASTER_KEY_PREVIOUS", "")]).await;
    assert_eq!(service.get_as("/me", &tokens.access).await.status, 200);
    assert_eq!(service.refresh(&tokens.refresh).await.header()["kid"], tokens.header()["kid"]);
    // ... and opens nothing.
    let mut variables = service.variables.clone();
    variables.insert("AUTH__MASTER_KEY".to_owned(), old);
    let settings = Settings::load(&variables).unwrap();
    let error = app::build_services(&settings, service.clock.clock()).await.err().unwrap();
    let wrong = app::StartError::Keyring(KeyringError::Sealed { purpose: "access" });
    assert_eq!(error.to_string(), wrong.to_string());
}

#[actix_web::test]
async fn refresh_keys_rotate_and_every_token_that_is_still_usable_is_accepted() {
    let variables = [("AUTH__KEYS__ROTATE_EVERY", "1d"), ("AUTH__SESSIONS__IDLE_TTL", "3d")];
    let service = Service::with(&variables).await;
    let key_id = |token: &str| token[3..12].to_owned();
    let idle = service.register_and_login("alice").await;
    let busy = service.login("alice").await;
    let rows = async || {
        let operator = service.operator().await;
        operator.store.read(|db| auth_service::store::keys::of_purpose(db, "refresh")).await.unwrap()
    };
    let first_kid = rows().await[0].kid.clone();
    service.clock.advance(22 * HOUR);
    service.wait_until("the next key is stored", async || rows().await.len() == 2).await;
    let before = service.refresh(&busy.refresh).await;
    assert_eq!(key_id(&before.refresh), key_id(&busy.refresh));
    service.clock.advance(HOUR + Duration::from_secs(3599));
    let at_the_end = service.refresh(&before.refresh).await;
    service.clock.advance(Duration::from_secs(2));
    // The repeat gets the same token, made with the earlier key; a new token is made with the present key.
    assert_eq!(service.refresh(&before.refresh).await.refresh, at_the_end.refresh);
    let next = service.refresh(&at_the_end.refresh).await;
    assert_ne!(key_id(&next.refresh), key_id(&busy.refresh));
    let operator = service.operator().await;
    let rules = MaintenanceRules {
        poll_interval: HOUR,
        clean_up: HOUR,
        keep_ended: HOUR,
        batch_size: 10,
        keep_audit: Duration::from_secs(400 * 24 * 3600),
    };
    service.clock.advance(HOUR); // settles the clock of the operator's process
    operator.maintenance.clean_up(rules).await.unwrap();
    let idle = service.refresh(&idle.refresh).await;
    assert_eq!(key_id(&idle.refresh), key_id(&next.refresh));
    // No token of the first key is left. The key is kept for a day after the second one replaced it.
    let first_is_there = async || rows().await.iter().any(|row| row.kid == first_kid);
    operator.maintenance.clean_up(rules).await.unwrap();
    assert!(first_is_there().await);
    service.clock.advance(23 * HOUR);
    operator.maintenance.reload_keys().await.unwrap();
    operator.maintenance.clean_up(rules).await.unwrap();
    assert!(!first_is_there().await);
    service.refresh(&idle.refresh).await;
    service.refresh(&next.refresh).await;
}

/// Two replicas on the wall clock rotate keys every three seconds, while a client logs in and sends requests continuously, and
/// verifiers check each token immediately.
#[actix_web::test]
async fn no_request_fails_while_keys_rotate_every_few_seconds() {
    let variables = [
        ("AUTH__KEYS__ROTATE_EVERY", "3s"),
        ("AUTH__KEYS__PUBLISH_AHEAD", "2s"),
        ("AUTH__STATUS_LISTS__POLL_INTERVAL", "100ms"),
    ];
    let one = Service::by_clock(Clock::system(), &variables).await;
    let other = one.replica_by_clock(Clock::system()).await;
    one.register("alice").await;
    let verifiers = [one.verifier(), other.verifier()];
    for verifier in &verifiers {
        one.wait_until("the stream", async || is_listening(verifier)).await;
    }
    let mut seen: Vec<Value> = Vec::new();
    let mut tokens = one.login("alice").await;
    let mut turn = 0_u32;
    let (begin, load) = (std::time::Instant::now(), Load::watch());
    while seen.len() < 4 {
        if begin.elapsed() > Duration::from_secs(60) {
            load.fail(&format!("keys rotate: {seen:?}"));
            return;
        }
        turn += 1;
        let (giver, taker) = if turn.is_multiple_of(2) { (&one, &other) } else { (&other, &one) };
        tokens = if turn.is_multiple_of(5) {
            giver.login("alice").await
        } else {
            giver.refresh(&tokens.refresh).await
        };
        for service in [giver, taker] {
            let me = service.get_as("/me", &tokens.access).await;
            assert_eq!(me.status, 200, "{}", me.text);
        }
        for verifier in &verifiers {
            verifier.verify(&tokens.access).await.unwrap();
        }
        let kid = tokens.header()["kid"].clone();
        if !seen.contains(&kid) {
            seen.push(kid);
        }
    }
}
