//! The audit trail: every event is in it, and no secret is.

use auth_service::domain::audit::{EventKind, TrailQuery};
use auth_service::store::audit_events::AuditEvent;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::administrators;
use crate::api::browser::{Browser, LISTED};
use crate::api::support::{PASSWORD, START, Service, Tokens, send};

/// Waits for events of these names, and returns the whole trail in the order of writing. Each operator of a test has a chain of
/// its own, which it writes in the background.
pub async fn trail(service: &Service, awaited: &[&str]) -> Vec<AuditEvent> {
    let operator = service.auditor().await;
    let read = async || {
        let page = operator.trail.list(TrailQuery { limit: 10_000, ..TrailQuery::default() }).await.unwrap();
        let mut events = page.events;
        events.reverse();
        events.sort_by(|a, b| (&a.chain, a.position).cmp(&(&b.chain, b.position)));
        events
    };
    let complete = async || {
        let events = read().await;
        awaited.iter().all(|name| events.iter().any(|event| event.event == *name))
    };
    service.wait_until(&awaited.join(", "), complete).await;
    read().await
}

/// Returns the last event of a name.
fn last<'a>(trail: &'a [AuditEvent], event: &str) -> &'a AuditEvent {
    trail.iter().rfind(|row| row.event == event).unwrap_or_else(|| panic!("no {event}"))
}

fn reasons<'a>(trail: &'a [AuditEvent], event: &str) -> Vec<&'a str> {
    let rows = trail.iter().filter(|row| row.event == event);
    rows.map(|row| row.reason.as_deref().unwrap_or("success")).collect()
}

#[actix_web::test]
async fn a_login_event_has_the_user_the_address_and_the_request_id() {
    let service = Service::start().await;
    let account = service.register("alice").await;
    let body = json!({ "username": "Alice", "password": PASSWORD });
    let answer = service.post("/login", &body).await;
    let (id, session) = (account["id"].as_str().unwrap(), answer.tokens().claims()["sid"].clone());
    let trail = trail(&service, &["login"]).await;
    let login = last(&trail, "login");
    let expected = AuditEvent {
        chain: login.chain.clone(),
        position: login.position,
        occurred_at: i64::try_from(START).unwrap(),
        event: "login".to_owned(),
        outcome: "success".to_owned(),
        reason: None,
        actor: Some(id.to_owned()),
        subject: Some(id.to_owned()),
        session: session.as_str().map(str::to_owned),
        address: Some("127.0.0.1".to_owned()),
        request_id: Some(answer.header("x-request-id").to_owned()),
        details: None,
        mac: login.mac.clone(),
    };
    assert_eq!(*login, expected);
    let registered = last(&trail, "account_registered");
    assert_eq!((registered.actor.as_deref(), registered.subject.as_deref()), (None, Some(id)));
    let (first, started) = (&trail[0], last(&trail, "process_started"));
    assert_eq!((first.position, &first.event), (1, &started.event));
    assert_eq!(started.actor.as_deref(), Some("service"));
}

#[actix_web::test]
async fn a_refused_login_event_has_the_reason_and_never_an_unknown_name() {
    let service = Service::start().await;
    let account = service.register("alice").await;
    service.register("bob").await;
    let operator = service.operator().await;
    operator.accounts.set_disabled("bob", true).await.unwrap();
    for (name, password) in [
        ("alice", "a wrong password"),
        ("hunter2-typed-into-the-wrong-field", "a wrong password"),
        ("bob", PASSWORD),
        ("alice", "short"),
    ] {
        assert_eq!(service.try_login(name, password).await.status, 401);
    }
    for _ in 0..12 {
        service.try_login("alice", "a wrong password").await;
    }
    let _ = service.logout(&administrators::log_in(&service).await.access).await;
    let trail = trail(&service, &["logout"]).await;
    let reasons = reasons(&trail, "login");
    assert_eq!(reasons[..3], ["wrong_password", "unknown_user", "disabled"]);
    assert!(reasons.contains(&"too_many_attempts"), "{reasons:?}");
    let refused = trail.iter().find(|row| row.reason.as_deref() == Some("wrong_password")).unwrap();
    assert_eq!((refused.actor.as_deref(), refused.subject.as_deref()), (None, account["id"].as_str()));
    assert_eq!(refused.outcome, "failure");
    let unknown = trail.iter().find(|row| row.reason.as_deref() == Some("unknown_user")).unwrap();
    assert_eq!((&unknown.actor, &unknown.subject, unknown.address.is_some()), (&None, &None, true));
    assert!(!format!("{trail:?}").contains("hunter2"));
}

/// Does everything that users, clients and operators can do, once. Returns the secrets that must not be in the trail.
async fn tour(service: &Service) -> Vec<String> {
    let mut secrets =
        vec![PASSWORD.to_owned(), "another good password".to_owned(), "a wrong password".to_owned()];
    let mut keep = |tokens: &Tokens| secrets.extend([tokens.access.clone(), tokens.refresh.clone()]);
    let account = service.register("alice").await;
    assert_eq!(
        service.post("/register", &json!({ "username": "alice", "password": PASSWORD })).await.status,
        409
    );
    let (first, other) = (service.login("alice").await, service.login_here("alice").await);
    service.try_login("alice", "a wrong password").await;
    keep(&first);
    let second = service.refresh(&first.refresh).await;
    keep(&second);
    let names = json!({ "email": "alice@example.com", "current_password": PASSWORD });
    assert_eq!(service.send_as(Method::PATCH, "/me", &other.access, &names).await.status, 200);
    let other = service.refresh(&other.refresh).await;
    keep(&other);
    let wrong = json!({ "current_password": "a wrong password", "new_password": "another good password" });
    assert_eq!(service.send_as(Method::PUT, "/me/password", &other.access, &wrong).await.status, 403);
    let third = service.login("alice").await;
    let sid = third.claims()["sid"].as_str().unwrap().to_owned();
    let ended =
        send(service.request(Method::DELETE, &format!("/me/sessions/{sid}")).bearer_auth(&other.access));
    assert_eq!(ended.await.status, 204);
    assert_eq!(
        send(service.request(Method::DELETE, "/me/sessions").bearer_auth(&other.access)).await.status,
        204
    );
    let right = json!({ "current_password": PASSWORD, "new_password": "another good password" });
    let changed = service.send_as(Method::PUT, "/me/password", &other.access, &right).await.tokens();
    keep(&changed);
    // Theft: a refresh token of an earlier generation.
    let next = service.refresh(&service.refresh(&changed.refresh).await.refresh).await;
    keep(&next);
    assert_eq!(service.try_refresh(&changed.refresh).await.status, 400);
    assert_eq!(service.try_refresh(&next.refresh).await.status, 400, "its session has ended");
    let operator = service.operator().await;
    operator.accounts.change_roles("alice", vec!["subscriber".to_owned()], vec![]).await.unwrap();
    operator.accounts.set_disabled("alice", true).await.unwrap();
    operator.accounts.set_disabled("alice", false).await.unwrap();
    operator.accounts.free_email(Some("alice@example.com".to_owned()), None).await.unwrap();
    let keys = async || service.get("/.well-known/jwks.json").await.json()["keys"].clone();
    let first = keys().await[0]["kid"].clone();
    operator.maintenance.rotate_signing_key().await.unwrap();
    operator.maintenance.withdraw_signing_keys().await.unwrap();
    // Tokens that the service signs before it notices the withdrawal are refused afterwards.
    let noticed = async || keys().await.as_array().unwrap().iter().all(|key| key["kid"] != first);
    service.wait_until("the withdrawal is noticed", noticed).await;
    let client = service.create_client("billing", &["a:read"], &[]).await;
    secrets.push(client.secret.clone());
    let granted = service.post_form_by(&client, "/token", "grant_type=client_credentials").await.json();
    secrets.push(granted["access_token"].as_str().unwrap().to_owned());
    let mut pretender = client.clone();
    "cs_guessed".clone_into(&mut pretender.secret);
    assert_eq!(service.post_form_by(&pretender, "/introspect", "token=x").await.status, 401);
    operator.clients.set_disabled("billing", true).await.unwrap();
    operator.clients.set_disabled("billing", false).await.unwrap();
    operator.clients.renew_secret("billing").await.unwrap();
    let login = json!({ "username": "alice", "password": "another good password" });
    let last = service.post("/login", &login).await.tokens();
    assert_eq!(service.post_form("/revoke", &format!("token={}", last.refresh)).await.status, 200);
    let last = service.post("/login", &login).await.tokens();
    service.get_as("/admin/users", &last.access).await.assert_problem(403, "audience_missing");
    let gone = json!({ "current_password": "another good password" });
    assert_eq!(service.send_as(Method::DELETE, "/me", &last.access, &gone).await.status, 204);
    let admin = administrators::log_in(service).await;
    assert_eq!(service.get_as("/admin/users", &admin.access).await.status, 200);
    let line = format!(r#"{{"username":"imported","password_hash":"{HASH}"}}"#);
    let import = service.request(Method::POST, "/admin/users/import").bearer_auth(&admin.access);
    assert_eq!(send(import.header("content-type", "application/x-ndjson").body(line)).await.status, 200);
    assert_eq!(service.get_as("/admin/audit", &admin.access).await.status, 200);
    assert_eq!(service.logout(&admin.access).await.status, 204);
    secrets.extend([HASH.to_owned(), "$2b$".to_owned()]);
    assert!(account["id"].is_string());
    secrets
}

/// A hash of an arbitrary password.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuqN4AfgTYAjLkDpiEMLDX7/n5r1q7m5W";

#[actix_web::test]
async fn a_login_that_replaces_a_browsers_session_records_its_end() {
    let service = Service::with(&[LISTED]).await;
    let account = service.register("alice").await;
    let mut browser = Browser::new(&service);
    for _ in 0..2 {
        assert_eq!(browser.login("/login", "alice").await.status, 200);
    }
    let trail = trail(&service, &["login", "session_ended"]).await;
    let first = trail.iter().find(|row| row.event == "login").unwrap();
    let ended = last(&trail, "session_ended");
    assert_eq!((&ended.session, ended.subject.as_deref()), (&first.session, account["id"].as_str()));
}

#[actix_web::test]
async fn every_kind_of_event_is_in_the_trail_and_no_secret_is() {
    let service = Service::with(&[("AUTH__AUDIT__REFRESHES", "all")]).await;
    let secrets = tour(&service).await;
    service.stop().await;
    // Events that only other tests cause.
    let elsewhere =
        ["keys_resealed", "recovered", "key_retired", "audit_pruned", "audit_disturbed", "events_lost"];
    let elsewhere =
        |name: &str| elsewhere.contains(&name) || ["refusals_omitted", "heads_seen"].contains(&name);
    let kinds = EventKind::ALL.iter().map(|kind| kind.as_str()).filter(|name| !elsewhere(name));
    let rows = trail(&service, &kinds.collect::<Vec<_>>()).await;
    let everything = format!("{rows:?}");
    for secret in &secrets {
        assert!(!everything.contains(secret.as_str()), "{secret} is in the trail");
    }
    let alice = last(&rows, "account_deleted").subject.clone();
    for event in ["password_changed", "role_changed", "account_disabled", "account_changed", "token_revoked"]
    {
        assert_eq!(last(&rows, event).subject, alice, "{event}");
    }
    for event in ["logout", "login", "token_refreshed", "session_ended", "password_changed", "refresh_reused"]
    {
        assert!(last(&rows, event).session.is_some(), "{event}");
    }
    assert_eq!(reasons(&rows, "refresh_reused")[0], "replayed");
    assert_eq!(last(&rows, "refresh_reused").actor, None, "it may be the owner or the thief");
    assert_eq!(reasons(&rows, "password_changed")[..2], ["wrong_password", "success"]);
    assert_eq!(reasons(&rows, "account_registered")[..2], ["success", "username_taken"]);
    assert_eq!(last(&rows, "client_token_granted").actor.as_deref(), Some("client:billing"));
    assert_eq!(last(&rows, "client_authenticated").reason.as_deref(), Some("wrong_secret"));
    assert_eq!(last(&rows, "admin_refused").actor, alice);
    let details = |event: &str| -> Value {
        serde_json::from_str(last(&rows, event).details.as_deref().unwrap()).unwrap()
    };
    assert_eq!(details("role_changed"), json!({ "before": "", "roles": "subscriber" }));
    assert_eq!(details("account_changed"), json!({ "changed": ["email"] }));
    assert_eq!(details("users_imported"), json!({ "created": 1, "present": 0, "refused": 0 }));
    let why: Vec<_> = rows.iter().filter(|row| row.event == "key_rotated").collect();
    for reason in ["first", "command", "emergency"] {
        assert!(why.iter().any(|row| row.details.as_ref().unwrap().contains(reason)), "{reason}: {why:?}");
    }
}

#[actix_web::test]
async fn administrators_read_the_trail_by_cursor_and_by_filters() {
    let service = Service::start().await;
    let admin = administrators::log_in(&service).await;
    let alice = service.register("alice").await["id"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        service.clock.advance(std::time::Duration::from_secs(10));
        service.login("alice").await;
    }
    let get = async |query: &str| service.get_as(&format!("/admin/audit?{query}"), &admin.access).await;
    let logins = format!("subject={alice}&event=login");
    service
        .wait_until("three logins", async || {
            get(&logins).await.json()["items"].as_array().unwrap().len() == 3
        })
        .await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = get(&format!("{logins}&limit=1&cursor={cursor}")).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"));
        let list = answer.json();
        seen.extend(list["items"].as_array().unwrap().clone());
        match list["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    let times: Vec<_> = seen.iter().map(|item| item["occurred_at"].as_u64().unwrap() - START).collect();
    assert_eq!(times, [30, 20, 10], "the newest first");
    let item = &seen[0];
    assert_eq!(
        (&item["actor"], &item["details"], &item["reason"]),
        (&json!(alice), &json!(null), &json!(null))
    );
    let between = format!("{logins}&since={}&until={}", START + 15, START + 25);
    assert_eq!(get(&between).await.json()["items"].as_array().unwrap().len(), 1);
    for query in ["limit=0", "limit=201", "event=no_such_event", "cursor=x", "subject=%00", "cursor=1.2.x'"] {
        get(query).await.assert_problem(422, "invalid_fields");
    }
    for query in ["limit=many", "unknown=1", "since=yesterday", "event=login&event=logout"] {
        get(query).await.assert_problem(400, "malformed_query");
    }
    service.get("/admin/audit").await.assert_problem(401, "missing_token");
    let user = service.login_here("alice").await;
    service.get_as("/admin/audit", &user.access).await.assert_problem(403, "insufficient_scope");
    let refused = || async { get("event=admin_refused").await.json()["items"][0]["actor"] == json!(alice) };
    service.wait_until("the refusal is in the trail", async || refused().await).await;
}

#[actix_web::test]
async fn cheap_refusals_beyond_a_rate_are_counted_instead_of_stored() {
    let service = Service::with(&[("AUTH__AUDIT__REFUSALS_PER_SECOND", "1")]).await;
    for _ in 0..20 {
        service.try_login("alice", &"x".repeat(2000)).await;
    }
    service.register("alice").await;
    let rows = trail(&service, &["account_registered"]).await;
    let stored = reasons(&rows, "login").len();
    service.stop().await;
    let rows = trail(&service, &["process_stopped"]).await;
    let omitted = rows.iter().filter(|row| row.event == "refusals_omitted");
    let count = |row: &AuditEvent| {
        let details: Value = serde_json::from_str(row.details.as_deref().unwrap()).unwrap();
        usize::try_from(details["count"].as_u64().unwrap()).unwrap()
    };
    let omitted: usize = omitted.map(count).sum();
    assert_eq!(stored + omitted, 20);
    assert!(stored < 20, "{stored}");
}
