//! Checks that must hold in any program, whatever other crates are in it. Each file in `tests` is a program of its own.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "tests: what cannot go on has failed")]

mod issuer;

use std::time::Duration;

use actix_web::{App, test};
use axum::{body::Body, http::Request, routing::get};
use serde::Deserialize;
use serde_json::{Value, json};
use shared_claims::{
    AccessToken, Policy, Remote, Verifier,
    claims::CustomClaims,
    error::AuthError,
    guard::scope,
    testing::{Headers, TestIssuer},
    verifier::{Algorithm, KeySet, Readiness},
};
use tower::ServiceExt;

use crate::issuer::HttpsIssuer;

/// All valid tokens are accepted, with fetched keys and with a shared secret, and with unusual numbers.
pub fn good_tokens_pass() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier("orders");
    for genuine in issuer.genuine("alice") {
        let Some(token) = genuine.token() else { continue };
        verifier.verify_now(token).unwrap_or_else(|refusal| panic!("{refusal}: {}", genuine.name));
    }
    let by_secret = issuer.secret_verifier("orders");
    by_secret.verify_now(&issuer.token("alice").algorithm(Algorithm::HS256).sign()).unwrap();

    let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    for (claim, value) in [
        ("exp", number("1800000600.5")),
        ("exp", number("1.8000006e9")),
        ("exp", number("253402300799")),
        ("exp", number("253402300799.0")),
        ("iat", number("1800000000.0")),
        ("a float", number("-0.25e-3")),
        ("a huge integer", number("340282366920938463463374607431768211456")),
        ("numbers at the greatest depth", nested(31, number("1.5"))),
        ("integers at the greatest depth", nested(31, number("7"))),
    ] {
        let token = issuer.token("alice").claim(claim, value.clone()).sign();
        verifier.verify_now(&token).unwrap_or_else(|refusal| panic!("{refusal}: {claim} {value}"));
    }
}

/// Nests a value in arrays.
fn nested(depth: usize, value: Value) -> Value {
    (0..depth).fold(value, |inner, _| json!([inner]))
}

/// The whole corpus of forgeries, through the core and through both frameworks.
pub async fn no_forgery_passes() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier("orders");
    let mut wrong = Vec::new();
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
        issuer.sign_with(algorithm);
        for forgery in issuer.forgeries("alice") {
            let Some(token) = forgery.token() else { continue };
            let is = verifier.verify_now(token).err().map_or("accepted", |refusal| refusal.code());
            if is != forgery.code && (is == "accepted" || !forgery.code.is_empty()) {
                wrong.push(format!("{is} instead of {}: {forgery}", forgery.code));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    issuer.sign_with(Algorithm::ES256);
    let app = test::init_service(App::new().app_data(verifier.clone()).service(on_actix)).await;
    let ask = async |headers: Headers| {
        let request = test::TestRequest::get().uri("/");
        let add = |request: test::TestRequest, (name, value): (&'static str, Vec<u8>)| {
            request.append_header((name, value.as_slice()))
        };
        let request = headers.into_iter().fold(request, add).to_request();
        test::call_service(&app, request).await.status().as_u16()
    };
    issuer.token("alice").scope("orders:read").try_on(ask).await.unwrap();

    let app = axum::Router::new().route("/", get(guarded)).with_state(verifier);
    let ask = async |headers: Headers| {
        let add =
            |request: axum::http::request::Builder, (name, value)| request.header::<_, Vec<u8>>(name, value);
        let request = headers.into_iter().fold(Request::get("/"), add);
        app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status().as_u16()
    };
    issuer.token("alice").scope("orders:read").try_on(ask).await.unwrap();
}

async fn guarded(token: AccessToken) -> Result<String, AuthError> {
    token.require(scope("orders:read"))?;
    Ok(token.sub.clone())
}

#[actix_web::get("/")]
async fn on_actix(token: AccessToken) -> Result<String, AuthError> {
    guarded(token).await
}

/// An application reads custom claims with numbers, flattened and in an untagged enum.
pub fn own_claims_are_read() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Own {
        #[serde(flatten)]
        tenant: Tenant,
        limit: Limit,
        rest: Value,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Tenant {
        number: u32,
        share: f64,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Limit {
        Amount(f64),
        Name(String),
    }
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier("orders");
    let token = issuer.token("alice").claim("number", 7).claim("share", 0.1).claim("limit", 2.5);
    let token = verifier.verify_now(&token.claim("rest", json!({"a": [1.5]})).sign()).unwrap();
    let CustomClaims { own, .. } = token.read::<Own>().unwrap();
    assert_eq!((&own.tenant, &own.limit), (&Tenant { number: 7, share: 0.1 }, &Limit::Amount(2.5)));
    assert_eq!(own.rest["a"][0].as_f64(), Some(1.5));
}

/// An unknown entry is skipped, and the valid keys are used.
pub fn odd_keys_are_left_out() {
    let issuer = TestIssuer::new();
    let good: Value = serde_json::from_str(&issuer.key_set()).unwrap();
    let good = good["keys"].as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>().join(",");
    let verifier = |entry: &str| {
        let set = format!(r#"{{"keys": [{entry}, {good}], "revision": 3, "expires": 1.5e3}}"#);
        let keys = KeySet::from_json(set.as_bytes()).unwrap_or_else(|error| panic!("{error}: {entry}"));
        Verifier::with_keys(Policy::new(issuer.name(), ["orders"]).unwrap(), keys).with_clock(issuer.clock())
    };
    let key = issuer.key().with_kid("other").jwk();
    for entry in [
        r#"{"$serde_json::private::Number": "no number"}"#,
        r#"{"$serde_json::private::Number": "1"}"#,
        r#"{"$serde_json::private::RawValue": "no JSON"}"#,
        r#"{"kty": "EC", "exp": 1e400}"#,
        "1e400",
        "7",
        "null",
        "[]",
    ] {
        let token = issuer.token("alice").audience("orders");
        verifier(entry).verify_now(&token.sign()).unwrap_or_else(|refusal| panic!("{refusal}: {entry}"));
    }
    // A valid key with unknown members, including numbers.
    for (name, value) in [("exp", json!(1_900_000_000)), ("nbf", json!(1.5)), ("x", key["x"].clone())] {
        let mut key = key.clone();
        key[name] = value;
        let token = issuer.token("alice").audience("orders").header("kid", "other").sign();
        verifier(&key.to_string()).verify_now(&token).unwrap_or_else(|refusal| panic!("{refusal}: {name}"));
    }
    // The text of a key in the raw form of `serde_json` is not a key.
    let raw = json!({"$serde_json::private::RawValue": key.to_string()}).to_string();
    let token = issuer.token("alice").audience("orders").header("kid", "other").sign();
    assert_eq!(verifier(&raw).verify_now(&token).unwrap_err().code(), "unknown_key");
}

/// Status lists are inflated by any DEFLATE backend.
pub fn revocations_are_seen() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier("orders");
    let [one, other] = [0, 1].map(|_| issuer.token("alice").sign());
    issuer.revoke(&one);
    assert_eq!(verifier.verify_now(&one).unwrap_err().code(), "revoked");
    verifier.verify_now(&other).unwrap();
}

/// Keys and status lists are fetched over HTTPS, from a server that compresses whatever a client takes compressed.
pub async fn keys_come_over_https() {
    let server = HttpsIssuer::start().await;
    let policy = Policy::new(&server.name, ["orders"]).unwrap();
    let verifier =
        Verifier::remote(policy.clone(), Remote::discover().ca_file_pem(server.authority.clone())).unwrap();
    verifier.start();
    let clock = server.issuer.clock();
    let verifier = verifier.with_clock(clock);
    for _ in 0..100 {
        if matches!(verifier.readiness(), Readiness::Ready { .. }) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let token = server.issuer.token("alice").audience("orders").sign();
    let refused = |refusal| panic!("{refusal}: {:?}", verifier.readiness());
    let verified = verifier.verify(&token).await.unwrap_or_else(refused);
    assert_eq!(verified.sub, "alice");

    // Trusts the system's certificates, without this one. It can be created even without any.
    let stranger = Verifier::remote(policy, Remote::discover()).unwrap();
    stranger.start();
    assert_eq!(stranger.verify(&token).await.unwrap_err().code(), "unavailable");
}
