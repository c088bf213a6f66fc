//! Cookie mode: sessions in a browser whose scripts see no token.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::api::browser::{ACCESS, APP, Browser, CSRF, LISTED, REFRESH, assert_cookies_cleared, set_cookies};
use crate::api::support::{Answer, FORM, PASSWORD, Service, send};

#[actix_web::test]
async fn a_session_lives_in_cookies_from_the_login_to_the_logout() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    for path in ["/login", "/token"] {
        let mut browser = Browser::new(&service);
        let answer = browser.login(path, "alice").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(browser.get("/me").await.json()["username"], "alice");
        let first = (browser.value(ACCESS).to_owned(), browser.value(REFRESH).to_owned());
        service.clock.advance(Duration::from_secs(700));
        browser.get("/me").await.assert_problem(401, "token_expired");
        let answer = browser.refresh().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_ne!(first, (browser.value(ACCESS).to_owned(), browser.value(REFRESH).to_owned()));
        assert_eq!(browser.get("/me").await.status, 200);
        let access = browser.value(ACCESS).to_owned();
        let refresh = browser.value(REFRESH).to_owned();
        let answer = browser.ask(Method::POST, "/logout", None).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
        assert_cookies_cleared(&answer);
        assert!(browser.cookies.is_empty());
        browser.get("/me").await.assert_problem(401, "missing_token");
        service.get_as("/me", &access).await.assert_problem(401, "token_revoked");
        service.try_refresh(&refresh).await.assert_oauth_error(400, "invalid_grant");
    }
}

/// Checks every character of the cookies, and that no token is anywhere else in the answer.
fn assert_in_cookies(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let values: Vec<String> =
        set_cookies(answer).iter().map(|line| line.split(['=', ';']).nth(1).unwrap().to_owned()).collect();
    let [access, refresh, csrf] = &values[..] else { panic!("{values:?}") };
    let expected = [
        format!("__Host-access={access}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=600"),
        format!("__Secure-refresh={refresh}; HttpOnly; SameSite=Lax; Secure; Path=/token; Max-Age=1209600"),
        format!("__Host-csrf={csrf}; SameSite=Lax; Secure; Path=/; Max-Age=1209600"),
    ];
    assert_eq!(set_cookies(answer), expected);
    assert!(access.split('.').count() == 3 && refresh.starts_with("rt_") && csrf.len() > 60);
    let body = json!({
        "token_type": "Bearer", "expires_in": 600, "refresh_expires_in": 1_209_600, "scope": "",
    });
    assert_eq!(answer.json(), body);
    assert_eq!(answer.header("x-csrf-token"), csrf);
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.assert_envelope();
}

#[actix_web::test]
async fn the_cookies_have_exactly_the_required_attributes_and_the_body_has_no_token() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let plain = service.try_login("alice", PASSWORD).await;
    assert!(set_cookies(&plain).is_empty() && plain.header("x-csrf-token").is_empty());
    assert!(set_cookies(&service.try_refresh(&plain.tokens().refresh).await).is_empty());
    let mut browser = Browser::new(&service);
    assert_in_cookies(&browser.login("/login", "alice").await);
    assert_in_cookies(&browser.login("/token", "alice").await);
    assert_in_cookies(&browser.refresh().await);
    let body = json!({ "current_password": PASSWORD, "new_password": "another long enough" });
    assert_in_cookies(&browser.ask(Method::PUT, "/me/password", Some(&body)).await);
    assert_eq!(browser.get("/me").await.status, 200, "the new session is in the cookies");
    assert_eq!(browser.get("/me/sessions").await.json()["items"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn a_login_with_cookies_needs_an_allowed_origin_and_json() {
    let service = Service::with(&[LISTED, ("AUTH__ISSUER", "https://auth.example.com")]).await;
    service.register("alice").await;
    let body = json!({ "username": "alice", "password": PASSWORD, "cookies": true });
    let post = |path| service.request(Method::POST, path).json(&body);
    let sessions = service.count("sessions");
    for origin in FOREIGN {
        send(post("/login").header("origin", *origin)).await.assert_problem(403, "foreign_origin");
        send(post("/token").header("origin", *origin)).await.assert_oauth_error(403, "invalid_request");
    }
    send(post("/login")).await.assert_problem(403, "foreign_origin");
    send(post("/token")).await.assert_oauth_error(403, "invalid_request");
    for media_type in ["text/plain", "multipart/form-data; boundary=x", FORM] {
        let form = service.request(Method::POST, "/login").header("origin", APP).body(body.to_string());
        let answer = send(form.header("content-type", media_type)).await;
        answer.assert_problem(415, "unsupported_media_type");
        assert!(set_cookies(&answer).is_empty());
    }
    assert_eq!(service.count("sessions"), sessions, "none of them began a session");

    let by_host = format!("http://{}", service.address);
    for origin in [APP, "https://auth.example.com", &by_host] {
        assert_eq!(send(post("/login").header("origin", origin)).await.status, 200, "{origin}");
    }
    for value in [json!("true"), json!(1)] {
        let body = json!({ "username": "alice", "password": PASSWORD, "cookies": value });
        service.post("/login", &body).await.assert_problem(422, "invalid_fields");
        service.post("/token", &body).await.assert_oauth_error(400, "invalid_request");
    }
}

/// Origins that are not listed, although they look similar.
pub const FOREIGN: &[&str] = &[
    "null",
    "https://evil.example",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com:443",
    "https://app.example.com.",
    "https://app.example.com.evil.example",
    "https://evil.example/https://app.example.com",
    "https://app.example.com@evil.example",
    "https://APP.example.com",
    "https://app.example.com/",
    "https://xapp.example.com",
    "https://example.com",
    "https://app.example.com, https://evil.example",
];

#[actix_web::test]
async fn a_login_never_continues_an_existing_session() {
    let service = Service::with(&[LISTED]).await;
    for name in ["alice", "mallory"] {
        service.register(name).await;
    }
    for path in ["/login", "/token"] {
        let planted = Browser::logged_in(&service, "mallory").await;
        let mut browser = planted.clone();
        assert_eq!(browser.login(path, "alice").await.status, 200);
        for name in [ACCESS, REFRESH, CSRF] {
            assert_ne!(browser.value(name), planted.value(name), "{name}");
        }
        assert_eq!(browser.get("/me").await.json()["username"], "alice");
        service.get_as("/me", planted.value(ACCESS)).await.assert_problem(401, "token_revoked");
        service.try_refresh(planted.value(REFRESH)).await.assert_oauth_error(400, "invalid_grant");
    }
    // Invalid cookies do not make a login fail, and are replaced.
    let mut browser = Browser::new(&service);
    for (name, path) in [(ACCESS, "/"), (REFRESH, "/token"), (CSRF, "/")] {
        browser.plant(name, "planted", path);
    }
    assert_in_cookies(&browser.login("/token", "alice").await);
}

#[actix_web::test]
async fn a_login_replaces_the_session_of_the_browser_and_no_other() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let elsewhere = service.login("alice").await;
    let before = Browser::logged_in(&service, "alice").await;
    let mut browser = before.clone();
    browser.forget(ACCESS); // ten minutes later
    let wrong = json!({ "username": "alice", "password": "wrong password", "cookies": true });
    let failed = browser.ask(Method::POST, "/login", Some(&wrong)).await;
    failed.assert_problem(401, "invalid_credentials");
    assert!(set_cookies(&failed).is_empty());
    assert_eq!(before.clone().get("/me").await.status, 200, "a failed login ends no session");
    assert_eq!(browser.login("/login", "alice").await.status, 200);
    service.get_as("/me", before.value(ACCESS)).await.assert_problem(401, "token_revoked");
    assert_eq!(service.get_as("/me", &elsewhere.access).await.status, 200);
    let plain =
        browser.bare(Method::POST, "/login").json(&json!({ "username": "alice", "password": PASSWORD }));
    assert_eq!(send(plain).await.status, 200);
    assert_eq!(
        browser.get("/me").await.status,
        200,
        "a login without cookies does not end the browser's session"
    );
}

#[actix_web::test]
async fn a_browser_without_its_access_cookie_still_logs_out() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let before = Browser::logged_in(&service, "alice").await;
    let mut browser = before.clone();
    browser.forget(ACCESS);
    let bare = browser.bare(Method::POST, "/logout");
    send(bare.header("origin", APP)).await.assert_problem(403, "csrf_token");
    let bare = browser.bare(Method::POST, "/logout").header("x-csrf-token", browser.value(CSRF));
    send(bare.header("origin", "https://evil.example")).await.assert_problem(403, "foreign_origin");
    assert_eq!(before.clone().get("/me").await.status, 200);
    let answer = browser.ask(Method::POST, "/logout", None).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    assert_cookies_cleared(&answer);
    before.clone().get("/me").await.assert_problem(401, "token_revoked");
    let again = before.clone().ask(Method::POST, "/logout", None).await;
    again.assert_problem(401, "token_revoked");
    assert_cookies_cleared(&again);
}

#[actix_web::test]
async fn an_expired_access_token_in_a_cookie_logs_out() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let mut browser = Browser::logged_in(&service, "alice").await;
    let refresh = browser.value(REFRESH).to_owned();
    service.clock.advance(Duration::from_secs(3600));
    assert_eq!(browser.ask(Method::POST, "/logout", None).await.status, 204);
    service.try_refresh(&refresh).await.assert_oauth_error(400, "invalid_grant");
}

#[actix_web::test]
async fn a_refresh_that_fails_for_good_clears_the_cookies_and_a_forged_one_does_not() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let mut browser = Browser::logged_in(&service, "alice").await;
    let body = json!({ "grant_type": "refresh_token" });
    let forged = send(browser.bare(Method::POST, "/token").header("origin", APP).json(&body)).await;
    forged.assert_oauth_error(403, "invalid_request");
    let foreign = browser.bare(Method::POST, "/token").header("x-csrf-token", browser.value(CSRF));
    let foreign = send(foreign.header("origin", "https://evil.example").json(&body)).await;
    foreign.assert_oauth_error(403, "invalid_request");
    assert!(set_cookies(&forged).is_empty() && set_cookies(&foreign).is_empty());
    let scope = json!({ "grant_type": "refresh_token", "scope": "everything" });
    let wanting = browser.ask(Method::POST, "/token", Some(&scope)).await;
    wanting.assert_oauth_error(400, "invalid_scope");
    assert!(set_cookies(&wanting).is_empty());
    assert_eq!(browser.refresh().await.status, 200, "none of these requests changed the session");

    assert_eq!(service.logout(browser.value(ACCESS)).await.status, 204);
    let ended = browser.refresh().await;
    ended.assert_oauth_error(400, "invalid_grant");
    assert_cookies_cleared(&ended);
    let nothing_left = browser.refresh().await;
    nothing_left.assert_oauth_error(400, "invalid_request");
    assert!(set_cookies(&nothing_left).is_empty());
}

#[actix_web::test]
async fn two_tabs_that_refresh_concurrently_stay_logged_in() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let mut first = Browser::logged_in(&service, "alice").await;
    let mut second = first.clone();
    let csrf = first.value(CSRF).to_owned();
    assert_eq!((first.refresh().await.status.as_u16(), second.refresh().await.status.as_u16()), (200, 200));
    assert_eq!(first.value(REFRESH), second.value(REFRESH), "both tabs have the same cookie");
    assert_eq!((first.value(CSRF), second.value(CSRF)), (csrf.as_str(), csrf.as_str()));
    assert_eq!(first.refresh().await.status, 200);
}

#[actix_web::test]
async fn the_refresh_cookie_is_used_only_by_json_requests_to_the_token_endpoint() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let mut browser = Browser::logged_in(&service, "alice").await;
    let form = || {
        let request = browser.bare(Method::POST, "/token").header("origin", APP);
        request.header("x-csrf-token", browser.value(CSRF)).body("grant_type=refresh_token")
    };
    send(form().header("content-type", FORM)).await.assert_oauth_error(400, "invalid_request");
    send(form().header("content-type", "text/plain")).await.assert_oauth_error(415, "invalid_request");
    // As an access token it is invalid, under every name and path.
    let (refresh, access) = (browser.value(REFRESH).to_owned(), browser.value(ACCESS).to_owned());
    let mut wrong = browser.clone();
    wrong.plant(ACCESS, &refresh, "/");
    wrong.get("/me").await.assert_problem(401, "invalid_token");
    wrong.forget(ACCESS);
    wrong.plant(REFRESH, &refresh, "/");
    wrong.get("/me").await.assert_problem(401, "missing_token");
    wrong.plant(REFRESH, &access, "/token");
    wrong.refresh().await.assert_oauth_error(400, "invalid_grant");
    // With a token in the body, the cookie is not used.
    let tokens = service.login("alice").await;
    let body = json!({ "grant_type": "refresh_token", "refresh_token": tokens.refresh });
    let answer = send(browser.bare(Method::POST, "/token").json(&body)).await;
    assert_eq!(service.get_as("/me", &answer.tokens().access).await.status, 200);
    assert!(set_cookies(&answer).is_empty());
    assert_eq!(browser.refresh().await.status, 200);
}

#[actix_web::test]
async fn a_repeated_host_cookie_or_a_cookie_beside_a_header_is_refused() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let browser = Browser::logged_in(&service, "alice").await;
    let access = browser.value(ACCESS);
    let get = || browser.bare(Method::GET, "/me");
    send(get().bearer_auth(access)).await.assert_problem(400, "invalid_request");
    let twice = format!("{ACCESS}={access}; {ACCESS}={access}");
    let get = service.request(Method::GET, "/me").header("cookie", twice);
    send(get).await.assert_problem(400, "invalid_request");
    let (refresh, csrf) = (browser.value(REFRESH), browser.value(CSRF));
    let tossed = format!("{REFRESH}={refresh}; {CSRF}={csrf}; {CSRF}=tossed");
    let request = service.request(Method::POST, "/token").header("cookie", tossed);
    let request = request.header("origin", APP).header("x-csrf-token", csrf);
    let answer = send(request.json(&json!({ "grant_type": "refresh_token" }))).await;
    answer.assert_oauth_error(403, "invalid_request");
}

#[actix_web::test]
async fn a_browser_that_ends_its_own_session_or_account_has_no_cookies_left() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let id = |list: Answer| {
        let items = list.json()["items"].as_array().unwrap().clone();
        let current = items.into_iter().find(|item| item["current"] == true).unwrap();
        format!("/me/sessions/{}", current["id"].as_str().unwrap())
    };
    let mut first = Browser::logged_in(&service, "alice").await;
    let mut second = Browser::logged_in(&service, "alice").await;
    let (its, own) = (id(first.get("/me/sessions").await), id(second.get("/me/sessions").await));
    let answer = second.ask(Method::DELETE, &its, None).await;
    assert_eq!(
        (answer.status.as_u16(), set_cookies(&answer).len()),
        (204, 0),
        "it was the session of another browser"
    );
    let answer = second.ask(Method::DELETE, &own, None).await;
    assert_eq!(answer.status, 204);
    assert_cookies_cleared(&answer);
    let mut browser = Browser::logged_in(&service, "alice").await;
    let body = json!({ "current_password": PASSWORD });
    let answer = browser.ask(Method::DELETE, "/me", Some(&body)).await;
    assert_eq!(answer.status, 204);
    assert_cookies_cleared(&answer);
}

#[actix_web::test]
async fn only_logins_read_the_member_cookies() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let login = json!({ "username": "alice", "password": PASSWORD, "cookies": "yes" });
    service.post("/login", &login).await.assert_problem(422, "invalid_fields");
    service.post("/token", &login).await.assert_oauth_error(400, "invalid_request");
    let unknown = json!({ "token": "unknown", "cookies": "yes" });
    assert_eq!(service.post("/revoke", &unknown).await.status, 200);
}
