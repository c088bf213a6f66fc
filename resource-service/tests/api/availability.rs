//! The service while the issuer starts later or is away, while the database is away, and with many writers at the same time.

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use serde_json::json;

use crate::support::World;

#[actix_web::test]
async fn it_starts_without_the_issuer_and_says_so() {
    let mut world = World::without_issuer(&[], &[]);
    assert_eq!(world.get("/livez", None).await.status, 200);
    assert_eq!(world.get("/comments", None).await.status, 200);
    let answer = world.get("/readyz", None).await;
    answer.assert_problem(503, "keys_unavailable");
    assert_eq!(answer.header("retry-after"), "1");

    world.start_issuer().await;
    world.until_ready().await;
    let ready = world.get("/readyz", None).await.json();
    assert_eq!(ready["status"], "ready");
    assert!(ready["keys_age_seconds"].is_u64(), "{ready}");
    assert!(ready["status_lists"]["oldest_age_seconds"].is_u64(), "{ready}");
}

#[actix_web::test]
async fn what_it_cannot_judge_yet_is_503_and_never_401() {
    let mut world = World::start().await;
    let alice = world.register_and_login("alice").await;
    world.stop_issuer().await;
    world.restart_without_snapshot().await;

    let answer = world.get("/protected", alice.token()).await;
    answer.assert_problem(503, "keys_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("www-authenticate"), "");
    world
        .post("/comments", alice.token(), &json!({ "text": "hello" }))
        .await
        .assert_problem(503, "keys_unavailable");
    world.get("/protected", None).await.assert_problem(401, "missing_token");
    world.get("/protected", Some("garbage")).await.assert_problem(401, "invalid_token");

    world.start_issuer().await;
    world.until_ready().await;
    assert_eq!(world.get("/protected", alice.token()).await.status, 200);
}

#[actix_web::test]
async fn it_continues_to_serve_while_the_issuer_is_away() {
    let mut world = World::start().await;
    let alice = world.register_and_login("alice").await;
    world.stop_issuer().await;
    assert_eq!(world.get("/protected", alice.token()).await.status, 200);
    assert_eq!(world.post("/comments", alice.token(), &json!({ "text": "still here" })).await.status, 201);
    assert_eq!(world.get("/readyz", None).await.status, 200);
}

#[actix_web::test]
async fn what_was_answered_is_there_after_a_restart() {
    let mut world = World::start().await;
    let alice = world.register_and_login("alice").await;
    let records = format!("/records/{}", alice.id);
    world.post("/comments", alice.token(), &json!({ "text": "in public" })).await;
    world.post(&records, alice.token(), &json!({ "text": "in private" })).await;
    std::fs::write(world.folder().join("books/new-one.txt"), "A New One\n\nText.\n").unwrap();

    world.restart().await;
    world.until_ready().await;
    assert_eq!(world.get("/comments", None).await.texts(), ["in public"]);
    assert_eq!(world.get(&records, alice.token()).await.texts(), ["in private"]);
    assert_eq!(world.get("/books", None).await.json()["items"].as_array().unwrap().len(), 4);
}

#[actix_web::test]
async fn a_database_that_does_not_answer_is_503_and_comes_back() {
    let world = World::with(&[], &[("RESOURCE__DATABASE__TIMEOUT", "1s")]).await;
    let alice = world.register_and_login("alice").await;
    let hello = json!({ "text": "hello" });
    let path = world.folder().join("resource.db");
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();

    let answer = world.post("/comments", alice.token(), &hello).await;
    answer.assert_problem(503, "store_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(world.get("/comments", None).await.status, 200, "readers do not wait for writers");

    other.batch_execute("COMMIT").unwrap();
    assert_eq!(world.post("/comments", alice.token(), &hello).await.status, 201);
}

#[actix_web::test]
async fn many_writers_at_the_same_time_are_all_served() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    let hello = json!({ "text": "hello" });
    let all = (0..100).map(|_| world.post("/comments", alice.token(), &hello));
    for answer in futures_util::future::join_all(all).await {
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    assert_eq!(world.get("/comments?limit=100", None).await.texts().len(), 100);
}

/// The issuer's HTTP server dates its answers by the machine's clock, and the service uses the clock of the tests.
#[actix_web::test]
async fn readyz_has_the_difference_between_the_issuers_clock_and_its_own() {
    let world = World::start().await;
    world.until_ready().await;
    let ready = world.get("/readyz", None).await.json();
    let skew = ready["clock_skew_seconds"].as_i64().unwrap();
    assert!(skew > 2, "the clock of the tests is ahead: {ready}");
}
