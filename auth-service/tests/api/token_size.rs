//! No token is issued that every verifier would refuse, or that a browser would not store.

use reqwest::Method;
use serde_json::{Value, json};
use shared_claims::verifier::MAX_ACCESS_TOKEN_BYTES;

use crate::api::administrators;
use crate::api::browser::{ACCESS, Browser, LISTED, set_cookies};
use crate::api::support::{PASSWORD, Service, send};

/// Returns roles of 24 characters each.
fn many(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("department-number-{number:06}")).collect()
}

async fn change_roles(service: &Service, add: Vec<String>, remove: Vec<String>) {
    service.operator().await.accounts.change_roles("alice", add, remove).await.unwrap().unwrap();
}

/// Returns so many roles that one further role decides whether the token fits.
fn nearly(length: usize, bound: usize) -> Vec<String> {
    many((bound - length - 44) / 36) // 24 characters, two quotes and a comma in base64
}

/// Returns roles of the lengths at which a token of `length` bytes reaches `bound`.
fn around(length: usize, bound: usize) -> impl Iterator<Item = String> {
    let edge = (bound - length) * 3 / 4 - 3; // two quotes and a comma
    assert!((5..58).contains(&edge), "{edge}");
    (edge - 4..edge + 6).map(|length| "x".repeat(length))
}

#[actix_web::test]
async fn a_login_gives_a_token_that_verifiers_accept_or_says_which_claim_is_too_long() {
    let service = Service::start().await;
    // All status list indexes of the first lease have four digits: the length of a token depends on the roles alone.
    service.run_sql("UPDATE issuance SET next_number = 2048");
    service.register("alice").await;
    let empty = service.login("alice").await.access.len();
    change_roles(&service, nearly(empty, MAX_ACCESS_TOKEN_BYTES), vec![]).await;
    let length = service.login("alice").await.access.len();
    let (mut accepted, mut refused) = (0, 0);
    let mut last = String::new();
    for role in around(length, MAX_ACCESS_TOKEN_BYTES) {
        change_roles(&service, vec![role.clone()], vec![std::mem::replace(&mut last, role)]).await;
        let answer = service.try_login("alice", PASSWORD).await;
        if answer.status == 200 {
            let tokens = answer.tokens();
            assert!(refused == 0 && tokens.access.len() <= MAX_ACCESS_TOKEN_BYTES);
            assert_eq!(service.get_as("/me", &tokens.access).await.status, 200);
            assert_eq!(service.refresh(&tokens.refresh).await.access.len(), tokens.access.len());
            accepted = tokens.access.len();
            continue;
        }
        answer.assert_problem(422, "token_too_large");
        assert_eq!(answer.json()["errors"][0]["field"], "roles");
        assert_eq!(answer.json()["errors"][0]["code"], "token_too_large");
        let form = json!({ "username": "alice", "password": PASSWORD });
        let answer = service.post("/token", &form).await;
        answer.assert_oauth_error(400, "invalid_request");
        assert!(
            answer.json()["error_description"].as_str().unwrap().contains("claim roles"),
            "{}",
            answer.text
        );
        refused += 1;
    }
    assert!(accepted > MAX_ACCESS_TOKEN_BYTES - 4 && refused > 1, "{accepted} {refused}");
}

#[actix_web::test]
async fn a_refresh_whose_token_would_be_too_long_does_not_use_up_the_refresh_token() {
    let service = Service::start().await;
    let first = service.register_and_login("alice").await;
    let second = service.refresh(&first.refresh).await;
    change_roles(&service, many(250), vec![]).await;
    for token in [&second.refresh, &second.refresh, &first.refresh] {
        let answer = service.try_refresh(token).await;
        answer.assert_oauth_error(400, "invalid_request");
        assert!(
            answer.json()["error_description"].as_str().unwrap().contains("claim roles"),
            "{}",
            answer.text
        );
    }
    let body = json!({ "current_password": PASSWORD, "new_password": "another horse battery" });
    let answer = service.send_as(Method::PUT, "/me/password", &second.access, &body).await;
    answer.assert_problem(422, "token_too_large");
    change_roles(&service, vec![], many(250)).await;
    service.refresh(&second.refresh).await;
    service.login("alice").await;
}

#[actix_web::test]
async fn a_cookie_that_browsers_would_drop_is_not_set() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let mut browser = Browser::logged_in(&service, "alice").await;
    let bound = 4096 - ACCESS.len();
    change_roles(&service, nearly(browser.value(ACCESS).len(), bound), vec![]).await;
    assert_eq!(browser.refresh().await.status, 200);
    let (mut accepted, mut refused, mut refused_logins, mut last) = (0, 0, 0, String::new());
    for role in around(browser.value(ACCESS).len(), bound) {
        change_roles(&service, vec![role.clone()], vec![std::mem::replace(&mut last, role)]).await;
        let before = browser.cookies.clone();
        let answer = browser.refresh().await;
        let logged_in = Browser::new(&service).login("/login", "alice").await;
        if answer.status == 200 {
            assert!(refused == 0 && browser.value(ACCESS).len() <= bound);
            accepted = browser.value(ACCESS).len();
            continue;
        }
        answer.assert_oauth_error(400, "invalid_request");
        let description = answer.json()["error_description"].as_str().unwrap().to_owned();
        assert!(description.contains("claim roles") && description.contains("cookie"), "{description}");
        assert!(set_cookies(&answer).is_empty(), "the browser's cookies are unchanged");
        // The status list index of another session may have fewer digits.
        if logged_in.status != 200 {
            logged_in.assert_problem(422, "token_too_large");
            assert_eq!(logged_in.json()["errors"][0]["field"], "roles");
            assert_eq!(logged_in.json()["errors"][0]["code"], "cookie_too_large");
            assert!(set_cookies(&logged_in).is_empty(), "the browser's cookies are unchanged");
            refused_logins += 1;
        }
        assert_eq!(browser.cookies, before);
        service.login("alice").await;
        refused += 1;
    }
    assert!(accepted > bound - 4 && refused > 1 && refused_logins > 0, "{accepted} {refused}");
    change_roles(&service, vec![], vec![last]).await;
    assert_eq!(browser.refresh().await.status, 200, "no refusal used up the refresh token");
}

#[actix_web::test]
async fn a_client_with_too_many_scopes_is_refused_with_that_reason_and_gets_a_token_for_fewer() {
    let service = Service::start().await;
    let scopes = many(300);
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let client = service.create_client("greedy", &scopes, &[]).await;
    let answer = service.post_form_by(&client, "/token", "grant_type=client_credentials").await;
    answer.assert_oauth_error(400, "invalid_request");
    assert!(answer.json()["error_description"].as_str().unwrap().contains("claim scope"), "{}", answer.text);
    let form = format!("grant_type=client_credentials&scope={}", scopes[7]);
    let answer = service.post_form_by(&client, "/token", &form).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["scope"]), (200, &json!(scopes[7])));
}

#[actix_web::test]
async fn a_login_for_too_many_resources_is_refused_with_that_reason() {
    let resources = many(300);
    let service = Service::with(&[("AUTH__RESOURCES", &resources.join(","))]).await;
    service.register("alice").await;
    let body = json!({ "username": "alice", "password": PASSWORD, "resource": resources });
    let answer = service.post("/login", &body).await;
    answer.assert_problem(422, "token_too_large");
    assert_eq!(answer.json()["errors"][0]["field"], "aud");
    service.post("/token", &body).await.assert_oauth_error(400, "invalid_request");
    service.login_for("alice", &json!(resources[..3])).await;
}

#[actix_web::test]
async fn an_import_warns_of_roles_with_which_an_account_cannot_log_in() {
    let service = Service::start().await;
    let token = administrators::log_in(&service).await.access;
    let hash = "$2b$04$......................JjeaCvKHrTGNPjYLZm8GhNSxHzVyJmy";
    let line =
        |name: &str, roles: Vec<String>| json!({ "username": name, "password_hash": hash, "roles": roles });
    let lines = [line("few", many(3)), line("some", many(120)), line("many", many(300))];
    let body = lines.map(|line: Value| line.to_string()).join("\n");
    for query in ["?dry_run=true", "", ""] {
        let request =
            service.request(Method::POST, &format!("/admin/users/import{query}")).bearer_auth(&token);
        let answer =
            send(request.header("content-type", "application/x-ndjson").body(body.clone())).await.json();
        let outcome = answer["items"][0]["outcome"].as_str().unwrap();
        let warnings = |index: usize| answer["items"][index]["warnings"].clone();
        assert_eq!(warnings(0), Value::Null);
        if outcome == "present" {
            assert_eq!((warnings(1), warnings(2)), (Value::Null, Value::Null), "each warning is given once");
            continue;
        }
        for (index, code) in [(1, "cookie_too_large"), (2, "token_too_large")] {
            assert_eq!(warnings(index)[0]["field"], "roles", "{answer}");
            assert_eq!(warnings(index)[0]["code"], code, "{answer}");
        }
    }
}
