//! Several replicas on one database behave like one service.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use serde_json::json;
use shared_claims::verifier::Clock;

use crate::DATABASE;
use crate::api::support::{PASSWORD, Service};
use crate::database::Database;

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
async fn a_new_signing_key_is_known_to_every_replica_before_it_signs() {
    let one = Service::with(&[("AUTH__KEYS__PUBLISH_AHEAD", "15s")]).await;
    let before = one.register_and_login("alice").await;
    // The other replica is configured with another algorithm, as during a rollout.
    let other = one.replica_with(&[("AUTH__TOKENS__ALGORITHM", "EdDSA")]).await;
    for service in [&one, &other] {
        assert_eq!(service.login("alice").await.header()["alg"], "ES256", "not yet");
    }
    one.wait_until("the new key is published", async || {
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
    let registrations =
        (0..20).map(|index| if index % 2 == 0 { &one } else { &other }.post("/register", &body));
    let answers = futures_util::future::join_all(registrations).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let taken = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((made, taken), (1, 19));
}

#[actix_web::test]
async fn roles_that_are_added_concurrently_are_all_added() {
    let service = Service::start().await;
    service.register("alice").await;
    let operator = service.operator().await;
    let roles: Vec<String> = (0..20).map(|number| format!("role-{number:02}")).collect();
    let changes =
        roles.iter().map(|role| operator.accounts.change_roles("alice", vec![role.clone()], vec![]));
    futures_util::future::join_all(changes).await;
    let claims = service.login("alice").await.claims();
    assert_eq!(claims["roles"], json!(roles));
}

#[actix_web::test]
async fn replicas_whose_clocks_differ_use_the_databases_clock() {
    let wrong = |seconds| Clock::system().adjusted_by(Arc::new(AtomicI64::new(seconds)));
    let early = Service::by_clock(wrong(-90), &[]).await;
    let late = early.replica_by_clock(wrong(90)).await;
    if DATABASE == Database::Sqlite {
        // With SQLite all processes use the clock of one machine.
        assert_eq!(early.get("/readyz").await.json(), json!({ "status": "ready" }));
        return;
    }
    for (service, skew) in [(&early, -90), (&late, 90)] {
        let ready = service.get("/readyz").await.json();
        let said = ready["clock_skew_seconds"].as_i64().unwrap();
        assert!((said - skew).abs() <= 1, "{ready}");
    }
    // By the replicas' own clocks, a repeat at the other replica would be theft, and its tokens would not be valid yet.
    let first = late.register_and_login("alice").await;
    assert_eq!(early.get_as("/me", &first.access).await.status, 200);
    let second = late.refresh(&first.refresh).await;
    assert_eq!(early.refresh(&first.refresh).await.refresh, second.refresh);
    let third = early.refresh(&second.refresh).await;
    assert_eq!(late.refresh(&second.refresh).await.refresh, third.refresh);
    assert_eq!(late.get_as("/me", &third.access).await.status, 200);
}

#[actix_web::test]
async fn fifty_refreshes_of_one_token_advance_the_session_by_one_generation() {
    let one = Service::start().await;
    let other = one.replica().await;
    let tokens = one.register_and_login("alice").await;
    let uses = (0..50).map(|index| if index % 2 == 0 { &one } else { &other }.refresh(&tokens.refresh));
    let next: Vec<_> = futures_util::future::join_all(uses).await;
    assert!(
        next.iter().all(
            |tokens| tokens.refresh == next[0].refresh && tokens.status_index() == next[0].status_index()
        )
    );
    let last = other.refresh(&next[49].refresh).await;
    assert_ne!(last.refresh, next[0].refresh);
}
