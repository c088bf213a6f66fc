//! CORS: which pages of other origins may read answers.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::api::browser::{APP, LISTED};
use crate::api::cookies::FOREIGN;
use crate::api::support::{Answer, PASSWORD, Service, send};

const ALLOW_ORIGIN: &str = "access-control-allow-origin";

/// Returns the CORS headers of an answer.
fn cors_headers(answer: &Answer) -> Vec<&str> {
    let names = answer.headers.keys().map(reqwest::header::HeaderName::as_str);
    names.filter(|name| name.starts_with("access-control-")).collect()
}

#[track_caller]
fn assert_readable(answer: &Answer) {
    assert_eq!(answer.header(ALLOW_ORIGIN), APP, "{}", answer.text);
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    let exposed = "RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-CSRF-Token, X-Request-Id";
    assert_eq!(answer.header("access-control-expose-headers"), exposed);
    assert_eq!(answer.header("vary"), "Origin");
    answer.assert_envelope();
}

#[track_caller]
fn assert_not_readable(answer: &Answer) {
    assert_eq!(cors_headers(answer), Vec::<&str>::new());
    assert_eq!(answer.header("vary"), "Origin", "{}", answer.text);
}

fn preflight(service: &Service, path: &str, origin: &str, method: &str) -> RequestBuilder {
    let request = service.request(Method::OPTIONS, path).header("origin", origin);
    request
        .header("access-control-request-method", method)
        .header("access-control-request-headers", "content-type,x-csrf-token")
}

#[actix_web::test]
async fn a_page_of_a_listed_origin_can_read_every_answer() {
    let variables = [LISTED, ("AUTH__LIMITS__REGISTER__BURST", "1")];
    let service = Service::with(&variables).await;
    let post = |path: &str, body| service.request(Method::POST, path).header("origin", APP).json(&body);
    let get = |path| service.request(Method::GET, path).header("origin", APP);
    let login = || json!({ "username": "alice", "password": PASSWORD });
    let rows = [
        (get("/password-policy"), 200),
        (post("/register", json!({})), 422),
        (post("/register", login()), 201),
        (post("/register", login()), 429),
        (post("/token", json!({})), 400),
        (get("/me"), 401),
        (get("/me").header("cookie", "__Host-access=a.b.c"), 401),
        (get("/me").header("cookie", "__Host-access=a; __Host-access=b"), 400),
        (
            service.request(Method::DELETE, "/me").header("origin", APP).header("cookie", "__Host-access=a"),
            403,
        ),
        (get("/nowhere"), 404),
        (get("/login"), 405),
        (service.request(Method::POST, "/login").header("origin", APP).body("x"), 415),
    ];
    for (request, status) in rows {
        let answer = send(request).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_readable(&answer);
    }
    service.run_sql("ALTER TABLE guesses RENAME COLUMN failures TO hidden");
    let answer = send(post("/login", login())).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_readable(&answer);
}

#[actix_web::test]
async fn pages_of_other_origins_can_read_only_what_is_public() {
    let service = Service::with(&[LISTED]).await;
    let tokens = service.register_and_login("alice").await;
    for origin in FOREIGN {
        let me = service.request(Method::GET, "/me").header("origin", *origin);
        assert_not_readable(&send(me.bearer_auth(&tokens.access)).await);
        let refused = send(preflight(&service, "/me", origin, "PATCH")).await;
        assert_eq!(
            (refused.status.as_u16(), refused.text.as_str()),
            (204, ""),
            "no permission, and no error"
        );
        assert_eq!(refused.header("allow"), "GET, HEAD, PATCH, DELETE");
        refused.assert_envelope();
        assert_not_readable(&refused);
    }
    let nowhere = send(preflight(&service, "/nowhere", FOREIGN[1], "GET")).await;
    nowhere.assert_problem(404, "not_found");
    let two = service.request(Method::GET, "/me").header("origin", APP).header("origin", APP);
    assert_not_readable(&send(two).await);
    assert_not_readable(&service.get("/me").await);

    let unlisted = Service::start().await;
    let own = format!("http://{}", unlisted.address);
    for origin in [APP, &own, "null"] {
        assert_not_readable(&send(unlisted.request(Method::GET, "/me").header("origin", origin)).await);
    }
}

#[actix_web::test]
async fn a_preflight_is_answered_with_what_the_route_accepts() {
    let service = Service::with(&[LISTED]).await;
    for (path, methods) in [
        ("/me", "GET, HEAD, PATCH, DELETE"),
        ("/me/password", "PUT"),
        ("/me/sessions/x", "DELETE"),
        ("/login", "POST"),
        ("/livez", "GET, HEAD"),
    ] {
        let answer = send(preflight(&service, path, APP, "PATCH")).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""), "{path}");
        assert_eq!(answer.header(ALLOW_ORIGIN), APP);
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert_eq!(answer.header("access-control-allow-methods"), methods);
        assert_eq!(
            answer.header("access-control-allow-headers"),
            "Authorization, Content-Type, X-CSRF-Token"
        );
        assert_eq!(answer.header("access-control-max-age"), "600");
        assert_eq!(answer.header("vary"), "Origin");
        assert_eq!((answer.header("allow"), answer.header("content-type")), ("", ""));
        answer.assert_envelope();
    }
    let nowhere = send(preflight(&service, "/nowhere", APP, "GET")).await;
    nowhere.assert_problem(404, "not_found");
}

#[actix_web::test]
async fn an_options_request_that_is_no_preflight_gets_the_usual_answer() {
    let service = Service::with(&[LISTED]).await;
    let options = || service.request(Method::OPTIONS, "/me");
    let method = ("access-control-request-method", "GET");
    for request in [options(), options().header("origin", APP), options().header(method.0, method.1)] {
        let answer = send(request).await;
        answer.assert_problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "GET, HEAD, PATCH, DELETE");
    }
}

#[actix_web::test]
async fn public_answers_can_be_read_by_any_page_without_cookies() {
    for service in [Service::start().await, Service::with(&[LISTED]).await] {
        for path in [
            "/.well-known/jwks.json",
            "/.well-known/oauth-authorization-server",
            "/.well-known/openid-configuration",
            "/status-lists",
            "/status-lists/0",
            "/status-lists/999",
        ] {
            for origin in ["https://evil.example", "null", APP] {
                let answer = send(service.request(Method::GET, path).header("origin", origin)).await;
                assert_eq!((answer.header(ALLOW_ORIGIN), cors_headers(&answer).len()), ("*", 1), "{path}");
                let answer = send(preflight(&service, path, origin, "GET")).await;
                assert_eq!((answer.status.as_u16(), answer.header(ALLOW_ORIGIN)), (204, "*"), "{path}");
                assert_eq!(answer.header("access-control-allow-methods"), "GET, HEAD");
                assert_eq!(answer.header("access-control-allow-credentials"), "");
            }
        }
        let events = service.request(Method::GET, "/status-lists/events").header("origin", "null");
        assert_eq!(events.send().await.unwrap().headers()[ALLOW_ORIGIN], "*");
    }
}
