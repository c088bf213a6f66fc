//! The end of a session at the issuer ends its tokens here, also while the issuer is away, and after a restart.

use serde_json::json;

use crate::support::World;

const REVOKED: &str = r#"Bearer realm="resource-service", error="invalid_token", error_description="The access token was revoked""#;

#[actix_web::test]
async fn a_logout_reaches_it() {
    let world = World::start().await;
    let (alice, bob) = (world.register_and_login("alice").await, world.register_and_login("bob").await);
    for user in [&alice, &bob] {
        assert_eq!(world.get("/protected", user.token()).await.status, 200);
    }
    world.until_it_knows_all().await;
    world.logout(&alice).await;
    let answer = world.until_refused(&alice).await;
    answer.assert_problem(401, "token_revoked");
    assert_eq!(answer.header("www-authenticate"), REVOKED);
    world
        .post("/comments", alice.token(), &json!({ "text": "hello" }))
        .await
        .assert_problem(401, "token_revoked");
    assert_eq!(world.get("/protected", bob.token()).await.status, 200);
    let again = world.login("alice", None).await;
    assert_eq!(world.get("/protected", again.token()).await.status, 200);
}

#[actix_web::test]
async fn a_logout_reaches_it_without_metadata_and_events() {
    let resource = [("RESOURCE__JWKS_URI", "{issuer}/.well-known/jwks.json")];
    let world = World::with(&[], &resource).await;
    let alice = world.register_and_login("alice").await;
    assert_eq!(world.get("/protected", alice.token()).await.status, 200);
    world.logout(&alice).await;
    world.until_refused(&alice).await.assert_problem(401, "token_revoked");
    let known = world.get("/readyz", None).await.json()["status_lists"].clone();
    assert_eq!((&known["streaming"], &known["polling"]), (&json!(false), &json!("lists")), "it only polls");
}

#[actix_web::test]
async fn what_was_revoked_stays_so_while_the_issuer_is_away() {
    let mut world = World::start().await;
    let (alice, bob) = (world.register_and_login("alice").await, world.register_and_login("bob").await);
    assert_eq!(world.get("/protected", bob.token()).await.status, 200);
    world.logout(&alice).await;
    world.until_refused(&alice).await.assert_problem(401, "token_revoked");
    world.until_it_knows_all().await;
    world.stop_issuer().await;
    world.get("/protected", alice.token()).await.assert_problem(401, "token_revoked");
    assert_eq!(world.get("/protected", bob.token()).await.status, 200);
    super::support::until(|| async {
        world.get("/readyz", None).await.json()["status_lists"]["streaming"] == false
    })
    .await;
}

#[actix_web::test]
async fn started_while_the_issuer_is_away_it_goes_by_what_it_kept() {
    let mut world = World::start().await;
    let (alice, bob) = (world.register_and_login("alice").await, world.register_and_login("bob").await);
    world.logout(&alice).await;
    world.until_refused(&alice).await;
    let (carol, dave) = (world.register_and_login("carol").await, world.register_and_login("dave").await);
    world.logout(&dave).await;
    world.until_it_knows_all().await;

    world.stop_issuer().await;
    world.restart().await;
    for user in [&bob, &carol] {
        assert_eq!(world.get("/protected", user.token()).await.status, 200);
    }
    for user in [&alice, &dave] {
        world.get("/protected", user.token()).await.assert_problem(401, "token_revoked");
    }
    let ready = world.get("/readyz", None).await;
    assert_eq!(ready.status, 200);
    assert_eq!(ready.json()["status_lists"]["streaming"], false);
}

#[actix_web::test]
async fn an_issuer_with_new_data_is_followed_immediately() {
    let mut world = World::start().await;
    let old = world.register_and_login("alice").await;
    assert_eq!(world.get("/protected", old.token()).await.status, 200);
    world.stop_issuer().await;
    world.forget_issuer();
    world.time.advance(std::time::Duration::from_secs(60));
    world.start_issuer().await;
    let new = world.register_and_login("alice").await;
    super::support::until(|| async { world.get("/protected", new.token()).await.status == 200 }).await;
    world.get("/protected", old.token()).await.assert_problem(401, "invalid_token");
    world.logout(&new).await;
    world.until_refused(&new).await.assert_problem(401, "token_revoked");
}

#[cfg(unix)]
#[actix_web::test]
async fn what_it_keeps_is_its_own_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let world = World::start().await;
    world.register_and_login("alice").await;
    world.until_it_knows_all().await;
    assert_eq!(std::fs::metadata(world.snapshot()).unwrap().permissions().mode() & 0o777, 0o600);
}
