//! The stand-in hash, which is computed for a name without an account, does not change when other users register.

use std::time::Duration;

use auth_service::domain::accounts::import::Import;
use auth_service::store::stand_ins;
use reqwest::Method;
use serde_json::json;

use super::support::{PASSWORD, Service};

const SLOTS: i64 = 256;
/// How long a choice is kept.
const HALF_A_YEAR: Duration = Duration::from_secs(183 * 24 * 3600);

/// Returns the stand-in hash of each slot, if one was chosen.
async fn chosen(service: &Service) -> Vec<Option<String>> {
    let all = |db: &mut auth_service::store::engine::connection::Connection| {
        (0..SLOTS).map(|slot| stand_ins::hash(db, slot, 0)).collect::<Result<Vec<_>, _>>()
    };
    service.operator().await.store.read(all).await.unwrap()
}

async fn try_names(service: &Service) {
    for index in 0..40 {
        let answer = service.try_login(&format!("unknown-{index}"), PASSWORD).await;
        answer.assert_problem(401, "invalid_credentials");
    }
}

async fn register_some(service: &Service, prefix: &str) {
    for index in 0..12 {
        service.register(&format!("{prefix}-{index}")).await;
    }
}

#[actix_web::test]
async fn the_stand_in_hash_of_a_name_is_chosen_once_and_stays_when_accounts_are_added() {
    let service = Service::start().await;
    try_names(&service).await;
    assert_eq!(service.count("stand_ins"), 0, "there are no accounts to choose from");
    register_some(&service, "first").await;
    try_names(&service).await;
    let before = chosen(&service).await;
    assert!(before.iter().flatten().count() > 10);
    register_some(&service, "later").await;
    try_names(&service).await;
    assert_eq!(chosen(&service).await, before);
    let replica = service.replica().await;
    try_names(&replica).await;
    assert_eq!(chosen(&replica).await, before);
}

#[actix_web::test]
async fn stand_in_hashes_are_chosen_again_after_an_import_and_after_half_a_year() {
    let service = Service::start().await;
    register_some(&service, "first").await;
    try_names(&service).await;
    let before = service.count("stand_ins");
    let like_ours = chosen(&service).await.into_iter().flatten().next().unwrap();
    let other_cost = like_ours.replacen("$04$", "$05$", 1);
    assert_ne!(like_ours, other_cost);
    for (username, password_hash, left) in [("like-ours", like_ours, before), ("other", other_cost, 0)] {
        let import = Import { username: username.to_owned(), password_hash, ..Import::default() };
        service.operator().await.accounts.import(vec![Ok(import)], None).await.unwrap();
        assert_eq!(service.count("stand_ins"), left, "{username}");
    }
    try_names(&service).await;
    let slots = service.count("stand_ins");
    let at_the_beginning = || service.count("stand_ins WHERE chosen_at = 1800000000");
    assert_eq!(at_the_beginning(), slots);
    service.clock.advance(HALF_A_YEAR);
    try_names(&service).await;
    assert_eq!((at_the_beginning(), service.count("stand_ins")), (0, slots));
}

#[actix_web::test]
async fn while_the_clock_is_in_doubt_no_stand_in_hash_is_chosen_or_replaced() {
    let service = Service::start().await;
    register_some(&service, "first").await;
    try_names(&service).await;
    let slots = service.count("stand_ins");
    service.clock.set(service.clock.clock().now() + 400 * 24 * 3600);
    assert!(service.get("/readyz").await.text.contains("clock_in_doubt"));
    try_names(&service).await;
    assert_eq!(service.count("stand_ins WHERE chosen_at = 1800000000"), slots);
    service.run_sql("DELETE FROM stand_ins");
    try_names(&service).await;
    assert_eq!(service.count("stand_ins"), 0);
}

#[actix_web::test]
async fn the_hash_of_a_deleted_account_is_no_longer_a_stand_in_hash() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    try_names(&service).await;
    assert!(service.count("stand_ins") > 0);
    let body = json!({ "current_password": PASSWORD });
    assert_eq!(service.send_as(Method::DELETE, "/me", &tokens.access, &body).await.status, 204);
    assert_eq!(service.count("stand_ins"), 0);
    try_names(&service).await;
}
