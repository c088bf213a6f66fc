//! Which audience this service requires in a token, and how recent its login must be.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::api::administrators::{self, ISSUER};
use crate::api::browser::{ACCESS, Browser, CSRF, LISTED, REFRESH};
use crate::api::support::{Answer, PASSWORD, Service, Tokens, part, send};

/// bcrypt with cost 4 of [`PASSWORD`].
const HASH: &str = "$2b$04$oFKlZ3ENzEvFmT5CMwekBuVBDm2BElvtSpHmYpUTT7hjnI.L6EzTS";
const OTHER: &str = "resource-service";

async fn import(service: &Service, tokens: &Tokens, query: &str, lines: &[Value]) -> Answer {
    let body = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let request = service.request(Method::POST, &format!("/admin/users/import{query}"));
    send(request.bearer_auth(&tokens.access).header("content-type", "application/x-ndjson").body(body)).await
}

fn line(username: &str, roles: &[&str]) -> Value {
    json!({ "username": username, "password_hash": HASH, "roles": roles })
}

/// Waits for `count` events of this name in the audit trail, and returns them, the oldest first.
async fn events(service: &Service, admin: &Tokens, event: &str, count: usize) -> Vec<Value> {
    let path = format!("/admin/audit?event={event}&limit=200");
    let list =
        async || service.get_as(&path, &admin.access).await.json()["items"].as_array().unwrap().clone();
    service.wait_until(event, async || list().await.len() >= count).await;
    list().await.into_iter().rev().collect()
}

#[actix_web::test]
async fn a_token_that_was_sent_to_another_service_neither_lists_nor_ends_sessions() {
    let service = Service::start().await;
    let sent = service.register_and_login("alice").await;
    let other = service.login("alice").await;
    let one = format!("/me/sessions/{}", other.claims()["sid"].as_str().unwrap());
    for (method, path) in
        [(Method::GET, "/me/sessions"), (Method::DELETE, "/me/sessions"), (Method::DELETE, one.as_str())]
    {
        let refused = send(service.request(method, path).bearer_auth(&sent.access)).await;
        refused.assert_problem(403, "audience_missing");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(&format!("resource={ISSUER}")), "names the resource to request: {detail}");
        assert!(!refused.text.contains("127.0.0.1\",\"user_agent"), "and shows no sessions");
    }
    service.refresh(&other.refresh).await;
    let own = service.refresh_here(&sent.refresh).await;
    let list = service.get_as("/me/sessions", &own.access).await;
    assert_eq!(list.json()["items"].as_array().unwrap().len(), 2, "{}", list.text);
    let both = service.login_for("alice", &json!([OTHER, ISSUER])).await;
    assert_eq!(service.get_as("/me/sessions", &both.access).await.status, 200, "as the user requested");
}

#[actix_web::test]
async fn a_refresh_can_give_a_token_for_this_service_and_leaves_the_session_unchanged() {
    let service = Service::with(&[LISTED, ("AUTH__RESOURCES", "reports")]).await;
    service.register("alice").await;
    for resource in [json!([]), json!("reports"), json!([OTHER, "reports"])] {
        let tokens = service.login_for("alice", &resource).await;
        let audience = tokens.claims()["aud"].clone();
        let own = service.refresh_here(&tokens.refresh).await;
        assert_eq!(own.claims()["aud"], json!([ISSUER]), "{resource}");
        assert_eq!(own.claims()["sid"], tokens.claims()["sid"]);
        let next = service.refresh(&own.refresh).await;
        assert_eq!(next.claims()["aud"], audience, "{resource}");
        let ask = async |resource: Value| {
            let body =
                json!({ "grant_type": "refresh_token", "refresh_token": next.refresh, "resource": resource });
            service.post("/token", &body).await
        };
        for more in [json!([ISSUER, OTHER]), json!([ISSUER, "reports"]), json!(["elsewhere"]), json!([""])] {
            ask(more).await.assert_oauth_error(400, "invalid_target");
        }
        let twice = ask(json!([ISSUER, ISSUER])).await.tokens();
        assert_eq!(twice.claims()["aud"], json!([ISSUER]), "the refusal did not use up the token");
    }
    // A session for both audiences gives tokens for either or both.
    let both = service.login_for("alice", &json!([ISSUER, OTHER])).await;
    let own = service.refresh_here(&both.refresh).await;
    assert_eq!(own.claims()["aud"], json!([ISSUER]));
    assert_eq!(service.refresh(&own.refresh).await.claims()["aud"], json!([ISSUER, OTHER]));
    // The same with cookies.
    let mut browser = Browser::logged_in(&service, "alice").await;
    let body = json!({ "grant_type": "refresh_token", "resource": ISSUER });
    assert_eq!(browser.ask(Method::POST, "/token", Some(&body)).await.status, 200);
    assert_eq!(part(browser.value(ACCESS), 1)["aud"], json!([ISSUER]));
    assert_eq!(browser.refresh().await.status, 200);
    assert_eq!(part(browser.value(ACCESS), 1)["aud"], json!([OTHER]));
}

#[actix_web::test]
async fn with_the_cookies_of_a_login_a_page_lists_its_sessions_whatever_the_audience() {
    let service = Service::with(&[LISTED]).await;
    service.register("alice").await;
    let mut browser = Browser::logged_in(&service, "alice").await;
    assert_eq!(part(browser.value(ACCESS), 1)["aud"], json!([OTHER]));
    let list = browser.get("/me/sessions").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(browser.ask(Method::DELETE, "/me/sessions", None).await.status, 204);
    let unknown = "/me/sessions/0198a0c4-0000-7000-8000-000000000001";
    browser.ask(Method::DELETE, unknown, None).await.assert_problem(404, "not_found");
    // In a header, the same token may come from a service that it was sent to.
    let header = service.get_as("/me/sessions", browser.value(ACCESS)).await;
    header.assert_problem(403, "audience_missing");
    // So may one in a cookie without the CSRF cookie of its session, which only logins with cookies get.
    let sent = service.login("alice").await;
    for csrf in ["", browser.value(CSRF), "x"] {
        let cookies = format!("{ACCESS}={}; {CSRF}={csrf}", sent.access);
        let forged = send(service.request(Method::GET, "/me/sessions").header("cookie", cookies)).await;
        forged.assert_problem(403, "audience_missing");
    }
    let cookie = format!("{ACCESS}={}", browser.value(ACCESS));
    let alone = send(service.request(Method::GET, "/me/sessions").header("cookie", cookie)).await;
    alone.assert_problem(403, "audience_missing");
    // The cookie gives access to the routes of sessions alone.
    administrators::create(&service, "root", "admin").await;
    let mut root = Browser::logged_in(&service, "root").await;
    root.get("/admin/users").await.assert_problem(403, "audience_missing");
    let body = json!({ "grant_type": "refresh_token", "resource": ISSUER });
    assert_eq!(root.ask(Method::POST, "/token", Some(&body)).await.status, 200);
    assert_eq!(root.get("/admin/users").await.status, 200);
    assert!(!root.value(REFRESH).is_empty());
}

#[actix_web::test]
async fn administration_accepts_only_a_token_for_this_service_alone() {
    let service = Service::start().await;
    service.register("alice").await;
    let both = service.login_for("alice", &json!([ISSUER, OTHER])).await;
    let operator = service.operator().await;
    operator.accounts.change_roles("alice", vec!["admin".to_owned()], vec![]).await.unwrap();
    let refused = service.get_as("/admin/users", &both.access).await;
    refused.assert_problem(403, "audience_missing");
    assert!(refused.json()["detail"].as_str().unwrap().contains(&format!("resource={ISSUER}")));
    let own = service.refresh_here(&both.refresh).await;
    assert_eq!(service.get_as("/admin/users", &own.access).await.status, 200);
    let next = service.refresh(&own.refresh).await;
    service.get_as("/admin/users", &next.access).await.assert_problem(403, "audience_missing");
    let refusals = events(&service, &own, "admin_refused", 2).await;
    assert!(refusals.iter().all(|event| event["reason"] == "audience_missing"), "{refusals:?}");
    assert!(refusals.iter().all(|event| event["actor"] == both.claims()["sub"]));
}

#[actix_web::test]
async fn an_administrator_gets_no_token_for_this_service_and_another_one() {
    let service = Service::start().await;
    administrators::create(&service, "root", "admin").await;
    service.register("alice").await;
    let sessions = service.count("sessions");
    for resource in [json!([ISSUER, OTHER]), json!([OTHER, ISSUER]), json!([ISSUER, OTHER, ISSUER])] {
        let login = |password| json!({ "username": "root", "password": password, "resource": resource });
        let refused = service.post("/login", &login(PASSWORD)).await;
        refused.assert_problem(422, "invalid_target");
        let error = &refused.json()["errors"][0];
        assert_eq!((&error["field"], &error["code"]), (&json!("resource"), &json!("invalid_target")));
        service.post("/token", &login(PASSWORD)).await.assert_oauth_error(400, "invalid_target");
        // Without the password, an attacker does not learn which accounts are administrators.
        let guessed = service.post("/login", &login("a wrong password")).await;
        guessed.assert_problem(401, "invalid_credentials");
        service.login_for("alice", &resource).await;
    }
    assert_eq!(service.count("sessions"), sessions + 3, "those of alice");
    let root = service.login_for("root", &json!([ISSUER, ISSUER])).await;
    assert_eq!(root.claims()["aud"], json!([ISSUER]));
    service.login_for("root", &json!([OTHER])).await;
    let logins = events(&service, &root, "login", 14).await;
    let refused = logins.iter().filter(|event| event["reason"] == "invalid_target");
    assert_eq!(refused.filter(|event| event["subject"] == root.claims()["sub"]).count(), 6);
}

#[actix_web::test]
async fn roles_are_imported_only_after_a_recent_login_however_often_the_session_was_refreshed() {
    let service = Service::start().await;
    let admin = administrators::log_in(&service).await;
    service.clock.advance(Duration::from_secs(300));
    let created = import(&service, &admin, "", &[line("first", &["subscriber"])]).await;
    assert_eq!(created.json()["created"], 1, "{}", created.text);
    let admin = service.refresh(&admin.refresh).await;
    service.clock.advance(Duration::from_secs(1));
    let users = service.count("users");
    let eve = [line("bert", &[]), line("eve", &["admin"])];
    for (tokens, query) in
        [(&admin, ""), (&admin, "?dry_run=true"), (&service.refresh_here(&admin.refresh).await, "")]
    {
        let refused = import(&service, tokens, query, &eve).await;
        refused.assert_problem(401, "insufficient_user_authentication");
        let expected = r#"Bearer realm="auth-service", error="insufficient_user_authentication", error_description="A more recent login is required", max_age="300""#;
        assert_eq!(refused.header("www-authenticate"), expected);
    }
    assert_eq!(service.count("users"), users, "nothing was stored");
    // An import without roles still works, and so does the same import after a new login.
    assert_eq!(import(&service, &admin, "", &[line("bert", &[])]).await.json()["created"], 1);
    let again = service.login_here("root").await;
    assert_eq!(import(&service, &again, "", &eve).await.json()["created"], 1);
    let refusals = events(&service, &again, "admin_refused", 3).await;
    assert!(refusals.iter().all(|event| event["reason"] == "login_too_old"), "{refusals:?}");
    assert!(refusals.iter().all(|event| event["actor"] == again.claims()["sub"]));
}

#[actix_web::test]
async fn verified_addresses_are_imported_only_after_a_recent_login() {
    let service = Service::start().await;
    let with = |username: &str, email: &str, verified: bool| json!({ "username": username, "password_hash": HASH, "email": email, "email_verified": verified });
    let alice = json!({ "username": "alice", "password": PASSWORD, "email": "alice@example.com" });
    assert_eq!(service.post("/register", &alice).await.status, 201);
    let admin = administrators::log_in(&service).await;
    service.clock.advance(Duration::from_secs(301));
    let taking = [line("bert", &[]), with("eve", "alice@example.com", true)];
    for query in ["", "?dry_run=true"] {
        let refused = import(&service, &admin, query, &taking).await;
        refused.assert_problem(401, "insufficient_user_authentication");
    }
    assert_eq!(service.count("users WHERE email = 'alice@example.com' AND username = 'alice'"), 1);
    // An import without verified addresses still works.
    let plain = json!({ "username": "carl", "password_hash": HASH, "email_verified": true });
    let harmless = [plain, with("dora", "dora@example.com", false)];
    assert_eq!(import(&service, &admin, "", &harmless).await.json()["created"], 2);
    let again = service.login_here("root").await;
    assert_eq!(import(&service, &again, "", &taking).await.json()["created"], 2);
    assert_eq!(service.count("users WHERE email = 'alice@example.com' AND username = 'eve'"), 1);
}

#[actix_web::test]
async fn how_recent_a_login_must_be_is_a_setting_and_a_password_change_counts_as_a_login() {
    let service = Service::with(&[("AUTH__ADMIN__REAUTHENTICATE_WITHIN", "30s")]).await;
    let admin = administrators::log_in(&service).await;
    service.clock.advance(Duration::from_secs(31));
    let refused = import(&service, &admin, "", &[line("eve", &["admin"])]).await;
    refused.assert_problem(401, "insufficient_user_authentication");
    assert!(refused.header("www-authenticate").ends_with(r#"max_age="30""#));
    let body = json!({ "current_password": PASSWORD, "new_password": "another long enough" });
    let changed = service.send_as(Method::PUT, "/me/password", &admin.access, &body).await.tokens();
    assert_eq!(import(&service, &changed, "", &[line("anna", &["admin"])]).await.json()["created"], 1);
}

#[actix_web::test]
async fn the_trail_names_each_account_that_was_imported_with_a_role() {
    let service = Service::start().await;
    let admin = administrators::log_in(&service).await;
    let lines = [
        line("anna", &["subscriber", "admin"]),
        line("bert", &[]),
        line("carl", &["admin"]),
        line("ANNA", &["admin"]),
        line("no", &["admin"]),
    ];
    assert_eq!(import(&service, &admin, "?dry_run=true", &lines).await.json()["created"], 3);
    assert_eq!(import(&service, &admin, "", &lines).await.json()["created"], 3);
    assert_eq!(import(&service, &admin, "", &lines).await.json()["present"], 4, "and no account gets a role");
    let imports = events(&service, &admin, "users_imported", 2).await;
    assert_eq!(imports.len(), 2);
    let list = service.get_as("/admin/users", &admin.access).await.json();
    let id = |name: &str| {
        let items = list["items"].as_array().unwrap();
        items.iter().find(|item| item["username"] == name).unwrap()["id"].clone()
    };
    let changes: Vec<_> = events(&service, &admin, "role_changed", 2)
        .await
        .iter()
        .map(|event| (event["subject"].clone(), event["actor"].clone(), event["details"].clone()))
        .collect();
    let by = admin.claims()["sub"].clone();
    let expected = [
        (id("anna"), by.clone(), json!({ "before": "", "roles": "admin subscriber" })),
        (id("carl"), by, json!({ "before": "", "roles": "admin" })),
    ];
    assert_eq!(changes, expected);
}

#[actix_web::test]
async fn the_trail_names_each_account_whose_roles_an_operator_changed() {
    let service = Service::start().await;
    let admin = administrators::log_in(&service).await;
    administrators::create(&service, "anna", "subscriber").await;
    let bert = service.register("bert").await["id"].clone();
    let operator = service.operator().await;
    let admin_role = || vec!["admin".to_owned()];
    operator.accounts.change_roles("bert", admin_role(), vec![]).await.unwrap().unwrap();
    operator.accounts.change_roles("bert", admin_role(), vec![]).await.unwrap().unwrap();
    operator.accounts.change_roles("bert", vec![], admin_role()).await.unwrap().unwrap();
    let named = async |event: &str, count: usize| -> Vec<(Value, Value)> {
        let events = events(&service, &admin, event, count).await;
        events.iter().map(|event| (event["subject"].clone(), event["details"].clone())).collect()
    };
    let list = service.get_as("/admin/users", &admin.access).await.json();
    let items = list["items"].as_array().unwrap();
    let anna = items.iter().find(|item| item["username"] == "anna").unwrap()["id"].clone();
    let root = admin.claims()["sub"].clone();
    let created = [(root, json!({ "roles": "admin" })), (anna, json!({ "roles": "subscriber" }))];
    assert_eq!(named("account_created", 2).await, created);
    let changed = [
        (bert.clone(), json!({ "before": "", "roles": "admin" })),
        (bert, json!({ "before": "admin", "roles": "" })),
    ];
    assert_eq!(named("role_changed", 2).await, changed, "and no event where nothing changed");
}
