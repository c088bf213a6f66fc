//! The extractor in an actix-web app: what a client sees.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use actix_web::{
    App, get,
    http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE},
    test::{TestRequest, call_service, init_service, read_body},
    web::{Data, Path, ServiceConfig},
};
use serde_json::{Value, json};
use shared_claims::{
    AccessToken, AuthError, Policy, Remote, Verifier,
    actix::OptionalToken,
    guard::{owner, role, scope},
};
use support::{AUDIENCE, NOW, Signer, claims, server, verifier, with};

#[get("/me")]
async fn me(token: AccessToken) -> String {
    format!("Welcome, {}!", token.name())
}

#[get("/books")]
async fn books(token: AccessToken) -> Result<&'static str, AuthError> {
    token.require(scope("books:write"))?;
    Ok("written")
}

#[get("/records/{user}")]
async fn records(token: AccessToken, user: Path<String>) -> Result<&'static str, AuthError> {
    token.require(owner(&user).or(role("admin")))?;
    Ok("records")
}

#[get("/")]
async fn home(OptionalToken(token): OptionalToken) -> String {
    token.map_or("nobody".to_owned(), |token| token.name().to_owned())
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: impl actix_web::http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Asks an app for `path` with these `Authorization` headers.
async fn ask(data: impl FnOnce(&mut ServiceConfig), path: &str, headers: &[&str]) -> Answer {
    let app = App::new().configure(data).service(me).service(books).service(records).service(home);
    let app = init_service(app).await;
    let mut request = TestRequest::get().uri(path);
    for header in headers {
        request = request.append_header((AUTHORIZATION, *header));
    }
    let response = call_service(&app, request.to_request()).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: String::from_utf8(read_body(response).await.to_vec()).unwrap() }
}

async fn ask_with(verifier: &Verifier, path: &str, headers: &[&str]) -> Answer {
    let verifier = verifier.clone();
    let data = |config: &mut ServiceConfig| {
        config.app_data(verifier);
    };
    ask(data, path, headers).await
}

#[actix_web::test]
async fn a_good_token_reaches_the_handler_in_any_case_of_the_scheme() {
    let signer = Signer::es256("es");
    let verifier = verifier(&[&signer]);
    for scheme in ["Bearer", "bearer", "BEARER", "bEARER"] {
        let answer = ask_with(&verifier, "/me", &[&format!("{scheme} {}", signer.token())]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "Welcome, ada!"), "{scheme}");
    }
    let wrapped = |config: &mut ServiceConfig| {
        config.app_data(Data::new(verifier));
    };
    assert_eq!(ask(wrapped, "/me", &[&format!("Bearer {}", signer.token())]).await.status, 200);
}

#[actix_web::test]
async fn a_request_without_a_usable_token_is_challenged() {
    let signer = Signer::es256("es");
    let verifier = verifier(&[&signer]);
    let bearer = |token: &str| format!("Bearer {token}");
    let expired = bearer(&signer.token_of(&with(claims(), "exp", json!(NOW - 60))));
    let forged = bearer(&Signer::es256("es").token());
    let good = bearer(&signer.token());
    let none = r#"Bearer realm="orders""#;
    let invalid =
        r#"Bearer realm="orders", error="invalid_token", error_description="The access token is not valid""#;
    let rows: [(&str, &[&str], u16, &str, &str); 9] = [
        ("none", &[], 401, none, "missing_token"),
        ("another scheme", &["Basic YTpi"], 401, none, "missing_token"),
        ("no scheme", &[&good[7..]], 401, none, "missing_token"),
        ("garbage", &["Bearer garbage"], 401, invalid, "invalid_token"),
        ("two tokens in one", &["Bearer a b"], 401, invalid, "invalid_token"),
        ("forged", &[&forged], 401, invalid, "invalid_token"),
        (
            "expired",
            &[&expired],
            401,
            r#"Bearer realm="orders", error="invalid_token", error_description="The access token expired""#,
            "token_expired",
        ),
        (
            "two headers",
            &[&good, &good],
            400,
            r#"Bearer realm="orders", error="invalid_request", error_description="Send one Authorization header with one token""#,
            "invalid_request",
        ),
        (
            "no token",
            &["Bearer"],
            400,
            r#"Bearer realm="orders", error="invalid_request", error_description="Send one Authorization header with one token""#,
            "invalid_request",
        ),
    ];
    for (name, headers, status, challenge, code) in rows {
        let answer = ask_with(&verifier, "/me", headers).await;
        assert_eq!((answer.status, answer.header(WWW_AUTHENTICATE)), (status, Some(challenge)), "{name}");
        assert_eq!(answer.header(CONTENT_TYPE), Some("application/problem+json"), "{name}");
        assert_eq!(answer.header(RETRY_AFTER), None, "{name}");
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((&body["code"], &body["status"]), (&json!(code), &json!(status)), "{name}");
    }
}

#[actix_web::test]
async fn a_missing_right_is_forbidden() {
    let signer = Signer::es256("es");
    let verifier = verifier(&[&signer]);
    let headers = [&*format!("Bearer {}", signer.token())];
    let answer = ask_with(&verifier, "/books", &headers).await;
    assert_eq!(
        (answer.status, answer.header(WWW_AUTHENTICATE)),
        (403, Some(r#"Bearer realm="orders", error="insufficient_scope", scope="books:write""#))
    );
    let answer = ask_with(&verifier, "/records/user-2", &headers).await;
    assert_eq!(answer.status, 403);
    assert!(!answer.body.contains("user-2"));
    assert_eq!(ask_with(&verifier, "/records/user-1", &headers).await.status, 200);
}

#[actix_web::test]
async fn an_optional_token_may_be_absent_but_not_bad() {
    let signer = Signer::es256("es");
    let verifier = verifier(&[&signer]);
    assert_eq!(ask_with(&verifier, "/", &[]).await.body, "nobody");
    assert_eq!(ask_with(&verifier, "/", &[&format!("Bearer {}", signer.token())]).await.body, "ada");
    assert_eq!(ask_with(&verifier, "/", &["Bearer garbage"]).await.status, 401);
    assert_eq!(ask(|_| (), "/", &[]).await.status, 500);
}

#[actix_web::test]
async fn a_verifier_without_keys_says_so_without_a_challenge() {
    let remote = Remote::discover().jwks_uri("http://127.0.0.1:1/jwks.json");
    let policy = Policy::new("https://auth.example.com", [AUDIENCE]).unwrap();
    let verifier = Verifier::remote(policy, remote).unwrap().with_clock(support::clock());
    let token = format!("Bearer {}", Signer::es256("es").token());
    let answer = ask_with(&verifier, "/me", &[&token]).await;
    assert_eq!(
        (answer.status, answer.header(RETRY_AFTER), answer.header(WWW_AUTHENTICATE)),
        (503, Some("1"), None)
    );
    assert!(answer.body.contains("keys_unavailable"));
    assert_eq!(ask_with(&verifier, "/me", &["Bearer garbage"]).await.status, 401);
}

#[actix_web::test]
async fn a_request_waits_for_the_first_keys() {
    let (server, signer) = (server::Server::start().await, Signer::es256("es"));
    server.publish(support::ISSUER, &support::jwks(&[&signer]));
    let remote = Remote::discover().jwks_uri(format!("{}/jwks.json", server.url));
    let verifier = Verifier::remote(support::policy(), remote).unwrap().with_clock(support::clock());
    verifier.start();
    let answer = ask_with(&verifier, "/me", &[&format!("Bearer {}", signer.token())]).await;
    assert_eq!(answer.status, 200);
}

#[actix_web::test]
async fn an_app_without_a_verifier_fails_without_telling_the_client_why() {
    let answer = ask(|_| (), "/me", &["Bearer a.b.c"]).await;
    assert_eq!((answer.status, answer.header(CONTENT_TYPE)), (500, Some("application/problem+json")));
    assert!(!answer.body.contains("erifier"));
}
