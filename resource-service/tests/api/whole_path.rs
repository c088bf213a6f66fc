//! Registration, login, request, refresh and logout, with each signature algorithm.

use serde_json::json;

use crate::support::{World, send};

const SECRET: &str = "a secret of more than thirty-two bytes";

#[actix_web::test]
async fn a_user_registers_logs_in_calls_refreshes_and_logs_out() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;

    let welcome = world.get("/protected", alice.token()).await;
    assert_eq!(welcome.status, 200, "{}", welcome.text);
    welcome.assert_envelope();
    assert_eq!(welcome.header("cache-control"), "no-store");
    let expires_at = world.time.clock().now() + 600;
    let expected = json!({ "message": "Welcome, alice!", "sub": alice.id, "username": "alice", "roles": [], "scope": "", "expires_at": expires_at });
    assert_eq!(welcome.json(), expected);

    let form = format!("grant_type=refresh_token&refresh_token={}", alice.refresh);
    let request = world.client.post(format!("{}/token", world.issuer_url()));
    let refreshed =
        send(request.header("content-type", "application/x-www-form-urlencoded").body(form)).await.json();
    let token = refreshed["access_token"].as_str();
    assert_eq!(world.get("/protected", token).await.status, 200);

    let request = world.client.post(format!("{}/logout", world.issuer_url()));
    assert_eq!(send(request.bearer_auth(token.unwrap())).await.status, 204);
}

#[actix_web::test]
async fn every_algorithm_with_a_public_key_needs_no_setting_here() {
    for algorithm in ["EdDSA", "RS256"] {
        let world = World::with(&[("AUTH__TOKENS__ALGORITHM", algorithm)], &[]).await;
        let alice = world.register_and_login("alice").await;
        assert_eq!(crate::support::decode(alice.parts()[0])["alg"], algorithm);
        assert_eq!(world.get("/protected", alice.token()).await.status, 200, "{algorithm}");
    }
}

#[actix_web::test]
async fn a_shared_secret_serves_the_smallest_set_up_without_any_fetch() {
    let issuer = [("AUTH__TOKENS__ALGORITHM", "HS256"), ("AUTH__TOKENS__SHARED_SECRET", SECRET)];
    let mut world = World::without_issuer(&issuer, &[("RESOURCE__SHARED_SECRET", SECRET)]);
    assert_eq!(world.get("/readyz", None).await.status, 200);
    world.start_issuer().await;
    let alice = world.register_and_login("alice").await;
    assert_eq!(world.get("/protected", alice.token()).await.status, 200);
}

#[actix_web::test]
async fn another_shared_secret_opens_nothing() {
    let issuer = [("AUTH__TOKENS__ALGORITHM", "HS256"), ("AUTH__TOKENS__SHARED_SECRET", SECRET)];
    let other = "another secret of more than thirty-two bytes";
    let world = World::with(&issuer, &[("RESOURCE__SHARED_SECRET", other)]).await;
    let alice = world.register_and_login("alice").await;
    world.get("/protected", alice.token()).await.assert_problem(401, "invalid_token");
}

#[actix_web::test]
async fn an_issuer_with_a_public_name_is_reached_from_inside() {
    let name = "https://auth.example.com"; // nothing answers there
    for (variable, url) in [
        ("RESOURCE__ISSUER_INTERNAL_URL", "{issuer}"),
        ("RESOURCE__JWKS_URI", "{issuer}/.well-known/jwks.json"),
    ] {
        let resource = [("RESOURCE__ISSUER", name), (variable, url)];
        let world = World::with(&[("AUTH__ISSUER", name)], &resource).await;
        let alice = world.register_and_login("alice").await;
        assert_eq!(world.get("/protected", alice.token()).await.status, 200, "{variable}");
    }
}
