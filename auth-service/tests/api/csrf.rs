//! Cross-site request forgery: requests that other pages make a browser send change nothing on any route.

use std::collections::BTreeSet;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::api::administrators::{self, ISSUER};
use crate::api::browser::{ACCESS, APP, Browser, CSRF, LISTED, REFRESH, set_cookies};
use crate::api::cookies::FOREIGN;
use crate::api::support::{Answer, FORM, PASSWORD, Service, send};

const LINES: &str = "application/x-ndjson";

/// An unsafe route, with a valid request.
struct Unsafe {
    method: Method,
    path: String,
    body: (&'static str, String),
}

/// Returns every unsafe route that accepts a cookie.
fn protected(other_session: &str) -> Vec<Unsafe> {
    let json = |method, path: &str, body: &Value| Unsafe {
        method,
        path: path.to_owned(),
        body: ("application/json", body.to_string()),
    };
    let password = json!({ "current_password": PASSWORD });
    let new = json!({ "current_password": PASSWORD, "new_password": "another long enough" });
    vec![
        json(Method::PATCH, "/me", &json!({ "current_password": PASSWORD, "username": "eve" })),
        json(Method::PUT, "/me/password", &new),
        json(Method::DELETE, "/me/sessions", &json!({})),
        json(Method::DELETE, &format!("/me/sessions/{other_session}"), &json!({})),
        json(Method::POST, "/token", &json!({ "grant_type": "refresh_token" })),
        json(Method::POST, "/logout", &json!({})),
        Unsafe {
            method: Method::POST,
            path: "/admin/users/import".to_owned(),
            body: (LINES, json!({ "username": "eve", "password_hash": "x" }).to_string()),
        },
        json(Method::DELETE, "/me", &password),
    ]
}

/// Unsafe routes that take no cookie, and why they need no CSRF token.
const OPEN: &[(&str, &str, &str)] = &[
    ("POST", "/register", "only creates an account"),
    ("POST", "/login", "requires the password, and an allowed origin to set cookies"),
    ("POST", "/revoke", "requires the token in the body"),
    ("POST", "/introspect", "requires the credentials of a client"),
];

impl Unsafe {
    fn request(&self, browser: &Browser<'_>) -> RequestBuilder {
        let (media_type, body) = &self.body;
        let request = browser.bare(self.method.clone(), &self.path);
        request.header("content-type", *media_type).body(body.clone())
    }

    #[track_caller]
    fn assert_refused(&self, answer: &Answer, code: &str) {
        if self.path == "/token" {
            answer.assert_oauth_error(403, "invalid_request");
        } else {
            answer.assert_problem(403, code);
        }
        assert!(set_cookies(answer).is_empty(), "{} {}", self.method, self.path);
    }

    #[track_caller]
    fn assert_ambiguous(&self, answer: &Answer) {
        if self.path == "/token" {
            answer.assert_oauth_error(400, "invalid_request");
        } else {
            answer.assert_problem(400, "repeated_header");
        }
        assert!(set_cookies(answer).is_empty(), "{} {}", self.method, self.path);
    }
}

/// Returns everything that a request could have changed.
async fn state(service: &Service, token: &str) -> (Value, Value, i64, i64) {
    let me = service.get_as("/me", token).await.json();
    let sessions = service.get_as("/me/sessions", token).await.json();
    (me, sessions, service.count("users"), service.count("revocations"))
}

/// Returns a browser with a session for this issuer as well, which can use the routes of administrators.
async fn browser_of<'s>(service: &'s Service, username: &str) -> Browser<'s> {
    let mut browser = Browser::new(service);
    let body = json!({ "username": username, "password": PASSWORD, "cookies": true, "resource": ISSUER });
    assert_eq!(browser.ask(Method::POST, "/login", Some(&body)).await.status, 200);
    browser
}

#[actix_web::test]
async fn a_request_that_another_page_could_have_sent_changes_nothing_on_any_route() {
    let service = Service::with(&[LISTED]).await;
    administrators::create(&service, "alice", "admin").await;
    service.register("mallory").await;
    let other = service.login_here("alice").await;
    let browser = browser_of(&service, "alice").await;
    let mallory = browser_of(&service, "mallory").await;
    let mut second = browser.clone();
    second.cookies.clear();
    assert_eq!(second.login("/login", "alice").await.status, 200, "another session of the same user");
    let routes = protected(other.claims()["sid"].as_str().unwrap());
    let before = state(&service, &other.access).await;
    let csrf = browser.value(CSRF);
    for route in &routes {
        for origin in FOREIGN {
            let request = route.request(&browser).header("x-csrf-token", csrf).header("origin", *origin);
            route.assert_refused(&send(request).await, "foreign_origin");
        }
        let request = route.request(&browser).header("x-csrf-token", csrf);
        route.assert_refused(&send(request).await, "foreign_origin");
        let two = route.request(&browser).header("x-csrf-token", csrf).header("origin", APP);
        route.assert_ambiguous(&send(two.header("origin", APP)).await);

        let own = || route.request(&browser).header("origin", APP);
        route.assert_refused(&send(own()).await, "csrf_token");
        let touched = csrf.replace(&csrf[1..2], if &csrf[1..2] == "A" { "B" } else { "A" });
        for wrong in ["", "wrong", &csrf[1..], touched.as_str(), &csrf.to_uppercase()] {
            route.assert_refused(&send(own().header("x-csrf-token", wrong)).await, "csrf_token");
        }
        let two = own().header("x-csrf-token", csrf).header("x-csrf-token", csrf);
        route.assert_ambiguous(&send(two).await);
        // Cookie and header agree, but the token is of another session, forged, or no token at all.
        for planted in [mallory.value(CSRF), second.value(CSRF), touched.as_str(), "planted"] {
            let mut tossed = browser.clone();
            tossed.plant(CSRF, planted, "/");
            let request = route.request(&tossed).header("origin", APP).header("x-csrf-token", planted);
            route.assert_refused(&send(request).await, "csrf_token");
        }
    }
    assert_eq!(state(&service, &other.access).await, before);
    assert_eq!(browser.clone().refresh().await.status, 200, "the session continues");
}

#[actix_web::test]
async fn every_route_accepts_requests_of_an_allowed_page() {
    // The counterpart of the test above: those requests were refused only for the origin and the CSRF token.
    let service = Service::with(&[LISTED]).await;
    administrators::create(&service, "alice", "admin").await;
    for index in 0..protected("").len() {
        let other = service.try_login("alice", PASSWORD).await;
        let other =
            if other.status == 200 { other.tokens() } else { service.register_and_login("alice").await };
        let browser = browser_of(&service, "alice").await;
        let route = protected(other.claims()["sid"].as_str().unwrap()).remove(index);
        let request = route.request(&browser).header("origin", APP);
        let answer = send(request.header("x-csrf-token", browser.value(CSRF))).await;
        let let_through = answer.status.is_success() || route.path.starts_with("/admin");
        assert!(let_through && answer.status != 403, "{} {}: {}", route.method, route.path, answer.text);
        // Restores the password for the next route.
        if route.method == Method::PATCH {
            let eve = service.try_login("eve", PASSWORD).await.tokens();
            let names = json!({ "current_password": PASSWORD, "username": "alice" });
            service.send_as(Method::PATCH, "/me", &eve.access, &names).await;
        } else if route.method == Method::PUT {
            let new = service.try_login("alice", "another long enough").await.tokens();
            let back = json!({ "current_password": "another long enough", "new_password": PASSWORD });
            service.send_as(Method::PUT, "/me/password", &new.access, &back).await;
        }
    }
}

#[test]
fn every_unsafe_route_of_the_table_is_tested() {
    let source = include_str!("../../src/http/routes.rs");
    let mut found = BTreeSet::new();
    for service in source.split(".service(path(").skip(1) {
        let path = service.split('"').nth(1).unwrap_or_default();
        for method in ["post", "put", "patch", "delete"] {
            if service.split(".service(").next().unwrap().contains(&format!(".{method}(")) {
                found.insert((method.to_uppercase(), path.to_owned()));
            }
        }
    }
    let tried = protected("{id}").into_iter().map(|route| (route.method.to_string(), route.path));
    let open = OPEN.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()));
    assert_eq!(found, tried.chain(open).collect::<BTreeSet<_>>());
}

#[actix_web::test]
async fn routes_that_take_no_cookie_ignore_cookies() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let browser = Browser::logged_in(&service, "alice").await;
    for (_, path, why) in OPEN {
        let evil = browser.bare(Method::POST, path).header("origin", "https://evil.example").json(&json!({}));
        let answer = send(evil).await;
        assert!(answer.status.is_client_error() && set_cookies(&answer).is_empty(), "{path}: {why}");
    }
    assert_eq!(browser.clone().get("/me").await.status, 200);
}

#[actix_web::test]
async fn a_form_of_another_site_is_refused_whatever_its_media_type() {
    let service = Service::with(&[LISTED]).await;
    administrators::create(&service, "alice", "admin").await;
    let other = service.login_here("alice").await;
    let browser = browser_of(&service, "alice").await;
    let before = state(&service, &other.access).await;
    for route in protected(other.claims()["sid"].as_str().unwrap()) {
        for media_type in ["text/plain", "multipart/form-data; boundary=x", FORM] {
            for origin in ["https://evil.example", "null"] {
                let form = browser.bare(Method::POST, &route.path).header("origin", origin);
                let answer = send(form.header("content-type", media_type).body(route.body.1.clone())).await;
                // Some routes accept no POST, and /token accepts a cookie only with JSON.
                let refused = [400, 403, 404, 405, 415].contains(&answer.status.as_u16());
                assert!(refused, "{} {media_type}: {}", route.path, answer.text);
                assert!(set_cookies(&answer).is_empty());
            }
        }
    }
    assert_eq!(state(&service, &other.access).await, before);
}

#[actix_web::test]
async fn safe_requests_need_no_csrf_token_and_are_refused_from_foreign_origins() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let browser = Browser::logged_in(&service, "alice").await;
    for path in ["/me", "/me/sessions"] {
        let get = || browser.bare(Method::GET, path);
        assert_eq!(send(get()).await.status, 200, "a same-origin page sends no origin with a safe request");
        assert_eq!(send(get().header("origin", APP)).await.status, 200);
        send(get().header("origin", "https://evil.example")).await.assert_problem(403, "foreign_origin");
    }
}

#[actix_web::test]
async fn a_token_in_the_header_needs_no_csrf_token_and_no_origin() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let tokens = service.login_here("alice").await;
    let browser = Browser::logged_in(&service, "alice").await;
    for origin in [None, Some("https://evil.example"), Some("null")] {
        let mut request = service.request(Method::DELETE, "/me/sessions").bearer_auth(&tokens.access);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        // The browser's other cookies are sent too, and are ignored.
        let cookies = format!("{REFRESH}={}; {CSRF}={}", browser.value(REFRESH), browser.value(CSRF));
        let answer = send(request.header("cookie", cookies)).await;
        assert_eq!((answer.status.as_u16(), set_cookies(&answer).len()), (204, 0));
    }
    service.get_as("/me", browser.value(ACCESS)).await.assert_problem(401, "token_revoked");
    let body = json!({ "refresh_token": tokens.refresh });
    let logout = service.request(Method::POST, "/logout").header("origin", "https://evil.example");
    assert_eq!(send(logout.json(&body)).await.status, 204, "neither does a token in the body");
}
