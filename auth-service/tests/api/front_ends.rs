//! Browsers behind a proxy that adds a path, and the answer to a missing cookie.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::api::browser::{ACCESS, Browser, LISTED, REFRESH, set_cookies};
use crate::api::support::{Answer, PASSWORD, Service, send};

const ISSUER: (&str, &str) = ("AUTH__ISSUER", "https://auth.example.com/login/v1");

/// Returns the header value that sets the refresh cookie.
fn refresh_cookie(answer: &Answer) -> String {
    let lines = set_cookies(answer);
    lines.into_iter().find(|line| line.starts_with(REFRESH)).expect("a refresh cookie")
}

#[track_caller]
fn assert_paths(answer: &Answer, max_age: u32) {
    assert!(answer.status.is_success(), "{}", answer.text);
    let refresh = refresh_cookie(answer);
    let attributes = format!("; HttpOnly; SameSite=Lax; Secure; Path=/login/v1/token; Max-Age={max_age}");
    assert!(refresh.ends_with(&attributes), "{refresh}");
    // Browsers reject cookies with the prefix `__Host-` and another path.
    for line in set_cookies(answer).iter().filter(|line| line.starts_with("__Host-")) {
        assert!(line.contains("; Path=/; "), "{line}");
    }
}

#[actix_web::test]
async fn under_an_issuer_with_a_path_a_browser_logs_in_refreshes_and_logs_out() {
    let service = Service::with(&[LISTED, ISSUER]).await;
    service.register("alice").await;
    let mut browser = Browser::new(&service);
    browser.prefix = "/login/v1";
    assert_paths(&browser.login("/login", "alice").await, 1_209_600);
    assert_paths(&browser.login("/token", "alice").await, 1_209_600);
    service.clock.advance(Duration::from_secs(700));
    browser.forget(ACCESS);
    assert_paths(&browser.refresh().await, 1_209_600);
    assert_eq!(browser.get("/me").await.json()["username"], "alice");
    let body = json!({ "current_password": PASSWORD, "new_password": "another long enough" });
    assert_paths(&browser.ask(Method::PUT, "/me/password", Some(&body)).await, 1_209_600);
    let session = browser.get("/me/sessions").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let mut other = browser.clone();
    assert_paths(&other.ask(Method::DELETE, &format!("/me/sessions/{session}"), None).await, 0);
    assert!(other.cookies.is_empty(), "{:?}", other.cookies);

    // A refresh that fails for good clears the refresh cookie, which no other route gets.
    let failed = browser.refresh().await;
    failed.assert_oauth_error(400, "invalid_grant");
    assert!(refresh_cookie(&failed).ends_with("Path=/login/v1/token; Max-Age=0"), "{failed:?}");
    let body = json!({ "username": "alice", "password": "another long enough", "cookies": true });
    assert_paths(&browser.ask(Method::POST, "/login", Some(&body)).await, 1_209_600);
    assert_paths(&browser.ask(Method::POST, "/logout", None).await, 0);
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
    browser.ask(Method::POST, "/login", Some(&body)).await;
    let body = json!({ "current_password": "another long enough" });
    assert_paths(&browser.ask(Method::DELETE, "/me", Some(&body)).await, 0);
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
}

#[actix_web::test]
async fn the_answer_to_a_browser_names_the_missing_cookie() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let mut browser = Browser::logged_in(&service, "alice").await;
    let said = |answer: &Answer| answer.json()["detail"].as_str().unwrap().to_owned();
    let detail = "This needs a bearer access token: there is none in the Authorization header, and no cookie __Host-access came";
    browser.forget(ACCESS);
    for (method, path) in [(Method::GET, "/me"), (Method::DELETE, "/me"), (Method::GET, "/me/sessions")] {
        let answer = browser.ask(method, path, None).await;
        answer.assert_problem(401, "missing_token");
        assert_eq!(said(&answer), detail, "{path}");
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="auth-service""#);
    }
    browser.cookies.clear();
    let answer = browser.ask(Method::POST, "/logout", None).await;
    answer.assert_problem(401, "missing_token");
    assert_eq!(said(&answer), detail);
    let answer = browser.refresh().await;
    answer.assert_oauth_error(400, "invalid_request");
    let description = "The parameter refresh_token is missing, and no cookie __Secure-refresh came.";
    assert_eq!(answer.json()["error_description"], description);
    let expired = service.request(Method::GET, "/me").bearer_auth("a.b.c");
    send(expired).await.assert_problem(401, "invalid_token");
}
