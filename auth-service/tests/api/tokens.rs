//! The content of access tokens, their algorithms, and which tokens `GET /me` refuses.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::support::{PASSWORD, START, Service, send};

const SECRET: &str = "a shared secret of forty-two bytes, no less";

#[actix_web::test]
async fn a_token_of_every_algorithm_is_what_rfc_9068_says() {
    for algorithm in ["ES256", "EdDSA", "RS256", "HS256"] {
        let secret = if algorithm == "HS256" { SECRET } else { "" };
        let variables = [
            ("AUTH__TOKENS__ALGORITHM", algorithm),
            ("AUTH__TOKENS__SHARED_SECRET", secret),
            ("AUTH__TOKENS__UNVERIFIED_EMAIL", "true"),
        ];
        check_token(algorithm, &Service::with(&variables).await).await;
    }
}

async fn check_token(algorithm: &str, service: &Service) {
    let body = json!({ "username": "alice", "password": PASSWORD, "email": "alice@example.com" });
    let id = service.post("/register", &body).await.json()["id"].clone();
    let tokens = service.login("alice").await;
    let header = tokens.header();
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!(algorithm)));
    assert!(header["kid"].is_string());
    assert_eq!(header.as_object().unwrap().len(), 3);
    let claims = tokens.claims();
    assert!(claims["jti"].is_string() && claims["sid"].is_string());
    let mut expected = json!({
        "iss": "http://127.0.0.1:8080", "sub": id, "aud": ["resource-service"], "client_id": "first-party",
        "iat": START, "nbf": START, "exp": START + 600, "auth_time": START,
        "jti": claims["jti"], "sid": claims["sid"],
        "scope": "", "roles": [], "username": "alice", "email": "alice@example.com", "email_verified": false,
    });
    if algorithm != "HS256" {
        let idx = &claims["status"]["status_list"]["idx"];
        assert!(idx.as_u64().unwrap() < 131_072);
        let uri = "http://127.0.0.1:8080/status-lists/0";
        expected["status"] = json!({ "status_list": { "idx": idx, "uri": uri } });
    }
    assert_eq!(claims, expected);
    assert_eq!(service.get_as("/me", &tokens.access).await.status, 200);
    let keys = service.get("/.well-known/jwks.json").await.json()["keys"].clone();
    if algorithm == "HS256" {
        assert_eq!(keys, json!([]), "a secret is not published");
        return;
    }
    assert_eq!((&keys[0]["alg"], &keys[0]["use"]), (&json!(algorithm), &json!("sig")));
    assert_eq!(keys[0]["kid"], header["kid"]);
    let private = ["d", "p", "q", "dp", "dq", "qi", "k"];
    assert!(
        private.iter().all(|name| keys[0].get(name).is_none()),
        "no private member may be published: {keys}"
    );
}

#[actix_web::test]
async fn an_account_without_an_address_has_no_claims_about_one() {
    let service = Service::start().await;
    let claims = service.register_and_login("alice").await.claims();
    assert!(claims.get("email").is_none() && claims.get("email_verified").is_none());
}

#[actix_web::test]
async fn the_key_outlives_a_restart_and_a_change_of_algorithm_keeps_old_tokens_valid() {
    let service = Service::with(&[("AUTH__KEYS__PUBLISH_AHEAD", "15s")]).await;
    let old = service.register_and_login("alice").await;
    let service = service.restart(&[]).await;
    assert_eq!(service.login("alice").await.header()["kid"], old.header()["kid"]);
    let service = service.restart(&[("AUTH__TOKENS__ALGORITHM", "EdDSA")]).await;
    service.clock.advance(Duration::from_secs(15));
    let new = service.login("alice").await;
    assert_eq!(new.header()["alg"], "EdDSA");
    assert_eq!(service.get("/.well-known/jwks.json").await.json()["keys"].as_array().unwrap().len(), 2);
    for tokens in [old, new] {
        assert_eq!(service.get_as("/me", &tokens.access).await.status, 200);
        service.refresh(&tokens.refresh).await;
    }
}

#[actix_web::test]
async fn an_access_token_expires_with_a_leeway_of_thirty_seconds() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    service.clock.advance(Duration::from_secs(600 + 29));
    assert_eq!(service.get_as("/me", &tokens.access).await.status, 200);
    service.clock.advance(Duration::from_secs(1));
    let answer = service.get_as("/me", &tokens.access).await;
    answer.assert_problem(401, "token_expired");
    let challenge =
        r#"Bearer realm="auth-service", error="invalid_token", error_description="The access token expired""#;
    assert_eq!(answer.header("www-authenticate"), challenge);
}

/// Returns a token whose header and claims `change` has modified, with the original signature.
fn forged(access: &str, change: impl FnOnce(&mut Value, &mut Value)) -> String {
    let parts: Vec<&str> = access.split('.').collect();
    let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (mut header, mut claims) = (json(parts[0]), json(parts[1]));
    change(&mut header, &mut claims);
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", encode(&header), encode(&claims), parts[2])
}

#[actix_web::test]
async fn forged_and_foreign_tokens_are_refused() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let elsewhere = Service::start().await;
    let foreign = elsewhere.register_and_login("alice").await.access;
    let access = tokens.access.as_str();
    let unsigned = forged(access, |header, _| header["alg"] = json!("none"));
    let unsigned = unsigned.rsplit_once('.').unwrap().0.to_owned() + ".";
    // Algorithm confusion: HS256 with the public key as the secret.
    let swapped = {
        let keys = service.get("/.well-known/jwks.json").await.text;
        let token = forged(access, |header, _| header["alg"] = json!("HS256"));
        let signed = token.rsplit_once('.').unwrap().0;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, keys.as_bytes()), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    };
    let rows = [
        ("another issuer's key", foreign),
        ("alg none", unsigned),
        ("alg swapped", swapped),
        ("claims changed", forged(access, |_, claims| claims["roles"] = json!(["admin"]))),
        ("lifetime stretched", forged(access, |_, claims| claims["exp"] = json!(START + 1_000_000))),
        ("kid changed", forged(access, |header, _| header["kid"] = json!("../../etc/passwd"))),
        ("a refresh token", tokens.refresh.clone()),
        ("cut", access[..access.len() - 1].to_owned()),
        ("extended", format!("{access}A")),
        ("two parts", access.rsplit_once('.').unwrap().0.to_owned()),
        ("not a token", "x".to_owned()),
        ("long", "x.".repeat(3000)),
    ];
    for (name, token) in rows {
        let answer = service.get_as("/me", &token).await;
        answer.assert_problem(401, "invalid_token");
        let challenge = answer.header("www-authenticate");
        assert!(
            challenge.contains(r#"error="invalid_token""#) && !challenge.contains(&token),
            "{name}: {challenge}"
        );
        service.logout(&token).await.assert_problem(401, "invalid_token");
    }
    assert_eq!(service.get_as("/me", access).await.status, 200, "and a valid one immediately afterwards");
}

#[actix_web::test]
async fn a_request_without_exactly_one_bearer_token_is_refused() {
    let service = Service::start().await;
    let access = service.register_and_login("alice").await.access;
    let me = || service.request(Method::GET, "/me");
    let bare = r#"Bearer realm="auth-service""#;
    for request in [me(), me().header("authorization", "Basic YTpi"), me().header("x-token", &access)] {
        let answer = send(request).await;
        answer.assert_problem(401, "missing_token");
        assert_eq!(answer.header("www-authenticate"), bare, "no error when no token was sent");
    }
    let twice = me()
        .header("authorization", format!("Bearer {access}"))
        .header("authorization", format!("Bearer {access}"));
    send(twice).await.assert_problem(400, "invalid_request");
    for scheme in ["bearer", "BEARER", "bEaReR"] {
        assert_eq!(send(me().header("authorization", format!("{scheme} {access}"))).await.status, 200);
    }
    let in_query = send(service.request(Method::GET, &format!("/me?access_token={access}"))).await;
    in_query.assert_problem(401, "missing_token");
}
