//! Other hosts of the same site, which can set cookies named `__Secure-…` for the common domain: browsers send those beside the
//! service's own.

use reqwest::Method;
use serde_json::json;

use crate::api::browser::{ACCESS, APP, Browser, CSRF, LISTED, REFRESH, assert_cookies_cleared, set_cookies};
use crate::api::support::{Answer, PASSWORD, Service, send};

/// Refreshes with these refresh cookies, in this order, and the CSRF token of `browser`.
async fn refresh_with(service: &Service, browser: &Browser<'_>, sent: &[&str]) -> Answer {
    let csrf = browser.value(CSRF);
    let cookies: Vec<String> = sent.iter().map(|value| format!("{REFRESH}={value}")).collect();
    let request = service.request(Method::POST, "/token").header("origin", APP).header("x-csrf-token", csrf);
    let request = request.header("cookie", format!("{}; {CSRF}={csrf}", cookies.join("; ")));
    send(request.json(&json!({ "grant_type": "refresh_token" }))).await
}

/// Returns the value of the refresh cookie that an answer sets.
fn next(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let lines = set_cookies(answer);
    let line = lines.iter().find_map(|line| line.strip_prefix(&format!("{REFRESH}="))).unwrap();
    line.split(';').next().unwrap().to_owned()
}

#[actix_web::test]
async fn of_several_refresh_cookies_the_one_of_the_pages_session_is_used() {
    let service = Service::with(&[LISTED]).await;
    for name in ["alice", "mallory"] {
        service.register(name).await;
    }
    let browser = Browser::logged_in(&service, "alice").await;
    let mallory = Browser::logged_in(&service, "mallory").await;
    let (planted, mut own) = (mallory.value(REFRESH).to_owned(), browser.value(REFRESH).to_owned());
    for order in 0..6 {
        let mut sent = vec!["rt_tossed", "", planted.as_str(), "x=y"];
        sent.insert(order % 5, &own);
        let answer = refresh_with(&service, &browser, &sent).await;
        let refreshed = next(&answer);
        let access = set_cookies(&answer)[0].clone();
        let access = access.strip_prefix(&format!("{ACCESS}=")).unwrap().split(';').next().unwrap();
        assert_eq!(service.get_as("/me", access).await.json()["username"], "alice", "{order}");
        assert_ne!(refreshed, own);
        own = refreshed;
    }
    let mut mallory = mallory;
    assert_eq!(mallory.refresh().await.status, 200, "the token of an ignored cookie is not used up");
}

#[actix_web::test]
async fn an_older_refresh_token_of_the_same_session_beside_the_newest_ends_nothing() {
    let service = Service::with(&[LISTED, ("AUTH__TOKENS__REFRESH_GRACE", "0s")]).await;
    service.register("alice").await;
    let mut browser = Browser::logged_in(&service, "alice").await;
    let oldest = browser.value(REFRESH).to_owned();
    assert_eq!(browser.refresh().await.status, 200);
    let older = browser.value(REFRESH).to_owned();
    assert_eq!(browser.refresh().await.status, 200);
    let own = browser.value(REFRESH).to_owned();
    let newest = next(&refresh_with(&service, &browser, &[&oldest, &own, &older]).await);
    next(&refresh_with(&service, &browser, &[&newest]).await);
}

#[actix_web::test]
async fn cookies_of_another_session_alone_are_refused_and_the_pages_own_stay() {
    let service = Service::with(&[LISTED]).await;
    for name in ["alice", "mallory"] {
        service.register(name).await;
    }
    let browser = Browser::logged_in(&service, "alice").await;
    let mallory = Browser::logged_in(&service, "mallory").await;
    let planted = mallory.value(REFRESH);
    for sent in [&[planted][..], &["rt_tossed", planted], &[planted, "rt_tossed", planted]] {
        let refused = refresh_with(&service, &browser, sent).await;
        refused.assert_oauth_error(403, "invalid_request");
        assert!(set_cookies(&refused).is_empty());
    }
    // Without any genuine token the cookies are cleared.
    let refused = refresh_with(&service, &browser, &["rt_tossed", "x"]).await;
    refused.assert_oauth_error(400, "invalid_grant");
    assert_cookies_cleared(&refused);
    let empty = refresh_with(&service, &browser, &["", ""]).await;
    empty.assert_oauth_error(400, "invalid_request");
    assert_eq!(browser.clone().refresh().await.status, 200, "none of these requests changed the session");
    // Origin and CSRF token are checked as usual.
    let cookies =
        format!("{REFRESH}=rt_tossed; {REFRESH}={}; {CSRF}={}", browser.value(REFRESH), browser.value(CSRF));
    for (origin, csrf) in
        [("https://evil.example", browser.value(CSRF)), (APP, ""), (APP, mallory.value(CSRF))]
    {
        let request = service.request(Method::POST, "/token").header("cookie", &cookies);
        let request = request.header("origin", origin).header("x-csrf-token", csrf);
        let refused = send(request.json(&json!({ "grant_type": "refresh_token" }))).await;
        refused.assert_oauth_error(403, "invalid_request");
        assert!(set_cookies(&refused).is_empty());
    }
}

#[actix_web::test]
async fn refresh_cookies_beyond_the_sixteenth_are_ignored() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let browser = Browser::logged_in(&service, "alice").await;
    let own = browser.value(REFRESH);
    let mut sent = vec!["rt_tossed"; 16];
    sent.push(own);
    let refused = refresh_with(&service, &browser, &sent).await;
    refused.assert_oauth_error(400, "invalid_request");
    assert!(set_cookies(&refused).is_empty(), "a flood of cookies does not log the user out");
    next(&refresh_with(&service, &browser, &sent[1..]).await);
}

#[actix_web::test]
async fn a_login_ends_the_session_of_each_refresh_cookie_that_the_browser_sends() {
    let service = Service::with(&[LISTED]).await;
    for name in ["alice", "mallory"] {
        service.register(name).await;
    }
    let before = Browser::logged_in(&service, "alice").await;
    let mallory = Browser::logged_in(&service, "mallory").await;
    let cookies = format!("{REFRESH}={}; {REFRESH}={}", mallory.value(REFRESH), before.value(REFRESH));
    let body = json!({ "username": "alice", "password": PASSWORD, "cookies": true });
    let request = service.request(Method::POST, "/token").header("cookie", cookies).header("origin", APP);
    assert_eq!(send(request.json(&body)).await.status, 200);
    for ended in [&before, &mallory] {
        service.get_as("/me", ended.value(ACCESS)).await.assert_problem(401, "token_revoked");
    }
}
