//! Several services over one database behave as one.

use std::time::Duration;

use serde_json::json;

use crate::api::support::{PASSWORD, Service};

#[actix_web::test]
async fn replicas_accept_each_others_tokens() {
    let one = Service::start().await;
    let other = one.replica().await;
    let tokens = one.register_and_login("alice").await;
    assert_eq!(other.get_as("/me", &tokens.access).await.status, 200);
    let next = other.refresh(&tokens.refresh).await;
    assert_eq!(one.get_as("/me", &next.access).await.status, 200);
    assert_eq!(other.logout(&next.access).await.status, 204);
    one.get_as("/me", &next.access).await.assert_problem(401, "token_revoked");
    let sets = [one.get("/.well-known/jwks.json").await.text, other.get("/.well-known/jwks.json").await.text];
    assert_eq!(sets[0], sets[1]);
}

#[actix_web::test]
async fn forty_refreshes_of_one_token_over_two_replicas_get_the_one_same_next_token() {
    let one = Service::start().await;
    let other = one.replica().await;
    let tokens = one.register_and_login("alice").await;
    let uses = (0..40).map(|index| if index % 2 == 0 { &one } else { &other }.refresh(&tokens.refresh));
    let mut next: Vec<_> =
        futures_util::future::join_all(uses).await.into_iter().map(|tokens| tokens.refresh).collect();
    next.dedup();
    assert_eq!(next.len(), 1);
}

#[actix_web::test]
async fn a_new_signing_key_is_known_to_every_replica_before_it_signs() {
    let one = Service::with(&[("AUTH__KEYS__PUBLISH_AHEAD", "15s")]).await;
    let before = one.register_and_login("alice").await;
    // The other one wants another algorithm, as in the middle of a roll-out.
    let other = one.replica_with(&[("AUTH__TOKENS__ALGORITHM", "EdDSA")]).await;
    for service in [&one, &other] {
        assert_eq!(service.login("alice").await.header()["alg"], "ES256", "not yet");
    }
    one.wait_until("it publishes the new key", async || {
        one.get("/.well-known/jwks.json").await.json()["keys"].as_array().unwrap().len() == 2
    })
    .await;
    one.clock.advance(Duration::from_secs(15));
    for (service, verifier) in [(&one, &other), (&other, &one)] {
        let tokens = service.login("alice").await;
        assert_eq!(tokens.header()["alg"], "EdDSA");
        assert_eq!(verifier.get_as("/me", &tokens.access).await.status, 200);
        assert_eq!(verifier.get_as("/me", &before.access).await.status, 200);
    }
}

#[actix_web::test]
async fn twenty_racing_registrations_over_two_replicas_give_one_account() {
    let one = Service::start().await;
    let other = one.replica().await;
    let body = json!({ "username": "alice", "password": PASSWORD });
    let tries = (0..20).map(|index| if index % 2 == 0 { &one } else { &other }.post("/register", &body));
    let answers = futures_util::future::join_all(tries).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let taken = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((made, taken), (1, 19));
}

#[actix_web::test]
async fn roles_that_are_given_at_once_are_all_given() {
    let service = Service::start().await;
    service.register("alice").await;
    let operator = service.operator().await;
    let roles: Vec<String> = (0..20).map(|number| format!("role-{number:02}")).collect();
    let changes = roles.iter().map(|role| operator.change_roles("alice", vec![role.clone()], vec![]));
    futures_util::future::join_all(changes).await;
    let claims = service.login("alice").await.claims();
    assert_eq!(claims["roles"], json!(roles));
}
