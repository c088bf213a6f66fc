//! Invalid tokens: each is refused with the challenge that RFC 6750 requires.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::{World, decode, encode, send};

const NO_TOKEN: &str = r#"Bearer realm="resource-service""#;
const NOT_VALID: &str = r#"Bearer realm="resource-service", error="invalid_token", error_description="The access token is not valid""#;
const EXPIRED: &str =
    r#"Bearer realm="resource-service", error="invalid_token", error_description="The access token expired""#;

#[actix_web::test]
async fn every_hostile_token_is_refused_with_its_challenge() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    let elsewhere = world.login("alice", Some(world.issuer_url())).await;
    let impostor = world.token_of_an_impostor("alice").await;
    let [header, payload, signature] = alice.parts();
    let with_header = |name: &str, value: serde_json::Value| {
        let mut changed = decode(header);
        changed[name] = value;
        format!("{}.{payload}.{signature}", encode(&changed))
    };
    let mut promoted = decode(payload);
    promoted["roles"] = json!(["admin"]);
    let rows = [
        ("a foreign key under its own name", impostor.clone()),
        ("a foreign key under our key's name", {
            let forged: Vec<_> = impostor.split('.').collect();
            format!("{header}.{}.{}", forged[1], forged[2])
        }),
        ("another audience", elsewhere.access.clone()),
        ("more roles than were signed", format!("{header}.{}.{signature}", encode(&promoted))),
        ("no signature", format!("{header}.{payload}.")),
        ("alg none", format!("{}.{payload}.", encode(&json!({ "alg": "none", "typ": "at+jwt" })))),
        ("alg none with a signature", with_header("alg", json!("none"))),
        ("another algorithm for the same key", with_header("alg", json!("HS256"))),
        ("another type", with_header("typ", json!("JWT"))),
        ("garbage", "garbage".to_owned()),
        ("three parts of garbage", "a.b.c".to_owned()),
        ("a refresh token", alice.refresh.clone()),
        ("a very long token", format!("{header}.{}.{signature}", "A".repeat(10_000))),
    ];
    for (name, token) in rows {
        let answer = world.get("/protected", Some(&token)).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, NOT_VALID), "{name}");
        answer.assert_problem(401, "invalid_token");
    }
    assert_eq!(world.get("/protected", alice.token()).await.status, 200);
}

#[actix_web::test]
async fn no_token_is_another_answer_than_a_bad_one() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    let in_query = format!("/protected?access_token={}", alice.access);
    for (path, authorization) in [
        ("/protected", None),
        ("/protected", Some("Basic YWxpY2U6c2VjcmV0")),
        ("/protected", Some("")),
        (in_query.as_str(), None),
    ] {
        let mut request = world.request(Method::GET, path, None);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let answer = send(request).await;
        answer.assert_problem(401, "missing_token");
        assert_eq!(answer.header("www-authenticate"), NO_TOKEN, "{authorization:?}");
    }
    let twice = world.request(Method::GET, "/protected", alice.token());
    send(twice.header("authorization", "Bearer x")).await.assert_problem(400, "invalid_request");
}

#[actix_web::test]
async fn a_token_is_good_until_it_expires_give_or_take_thirty_seconds() {
    let world = World::start().await;
    let alice = world.register_and_login("alice").await;
    world.time.advance(Duration::from_secs(600 + 29));
    assert_eq!(world.get("/protected", alice.token()).await.status, 200);
    world.time.advance(Duration::from_secs(2));
    let answer = world.get("/protected", alice.token()).await;
    answer.assert_problem(401, "token_expired");
    assert_eq!(answer.header("www-authenticate"), EXPIRED);
}
