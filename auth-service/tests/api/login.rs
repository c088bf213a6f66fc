//! `POST /login`, and the JSON form of `POST /token` that does the same.

use auth_service::store::users::Login;
use reqwest::Method;
use serde_json::json;

use crate::api::load::Load;
use crate::api::support::{PASSWORD, START, Service, send};

#[actix_web::test]
async fn a_login_by_name_or_by_address_gives_tokens() {
    let service = Service::start().await;
    let body = json!({ "username": "alice", "password": PASSWORD, "email": "alice@example.com" });
    assert_eq!(service.post("/register", &body).await.status, 201);
    for login in [
        json!({ "username": "alice", "password": PASSWORD }),
        json!({ "username": "ALICE", "password": PASSWORD, "email": null, "cookies": false }),
        json!({ "email": "Alice@Example.COM", "password": PASSWORD }),
    ] {
        for path in ["/login", "/token"] {
            let answer = service.post(path, &login).await;
            assert_eq!(answer.status, 200, "{path} {login}: {}", answer.text);
            assert_eq!(answer.header("cache-control"), "no-store");
            let tokens = answer.tokens();
            assert_eq!(tokens.body["token_type"], "Bearer");
            assert_eq!(tokens.body["expires_in"], 600);
            assert_eq!(tokens.body["refresh_expires_in"], 14 * 24 * 3600);
            assert!(tokens.refresh.starts_with("rt_"));
            assert_eq!(service.get_as("/me", &tokens.access).await.status, 200);
        }
    }
}

#[actix_web::test]
async fn an_unknown_user_a_wrong_password_and_a_disabled_account_get_one_answer() {
    let service = Service::start().await;
    service.register("alice").await;
    service.register("disabled").await;
    service.operator().await.accounts.set_disabled("disabled", true).await.unwrap().unwrap();
    let mut bodies = Vec::new();
    for (username, password) in [
        ("unknown", PASSWORD),
        ("alice", "wrong password"),
        ("alice", &PASSWORD.to_uppercase()),
        ("alice", &format!("{PASSWORD} ")),
        ("alice", ""),
        ("alice", "with a \0 inside"),
        ("disabled", PASSWORD),
        ("al\0ice", PASSWORD),
        ("alice\u{feff}", PASSWORD),
        ("' OR 1=1 --", PASSWORD),
        ("", PASSWORD),
    ] {
        let answer = service.try_login(username, password).await;
        answer.assert_problem(401, "invalid_credentials");
        assert!(answer.header("www-authenticate").starts_with("Bearer realm="));
        bodies.push(answer.text);
        let oauth = service.post("/token", &json!({ "username": username, "password": password })).await;
        if !username.is_empty() && !password.is_empty() {
            oauth.assert_oauth_error(400, "invalid_grant");
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[actix_web::test]
async fn an_enabled_account_logs_in_again() {
    let service = Service::start().await;
    service.register("alice").await;
    let operator = service.operator().await;
    operator.accounts.set_disabled("alice", true).await.unwrap().unwrap();
    operator.accounts.set_disabled("Alice", false).await.unwrap().unwrap();
    service.login("alice").await;
    assert!(operator.accounts.set_disabled("unknown", true).await.unwrap().is_none());
}

#[actix_web::test]
async fn a_login_can_request_an_audience() {
    let variables = [
        ("AUTH__AUDIENCE", "orders,billing"),
        ("AUTH__RESOURCES", "reports"),
        ("AUTH__ISSUER", "https://auth.example"),
    ];
    let service = Service::with(&variables).await;
    service.register("alice").await;
    let rows = [
        (json!([]), json!(["orders", "billing"])),
        (json!("billing"), json!(["billing"])),
        (json!(["reports", "https://auth.example"]), json!(["reports", "https://auth.example"])),
        (json!(["billing", "billing", "billing"]), json!(["billing"])),
    ];
    for (resource, audience) in rows {
        let body = json!({ "username": "alice", "password": PASSWORD, "resource": resource });
        for path in ["/login", "/token"] {
            let tokens = service.post(path, &body).await.tokens();
            assert_eq!(tokens.claims()["aud"], audience, "{path} {resource}");
            assert_eq!(
                service.get_as("/me", &tokens.access).await.status,
                200,
                "this route accepts any audience"
            );
        }
    }
    let foreign = json!({ "username": "alice", "password": PASSWORD, "resource": ["billing", "elsewhere"] });
    let refused = service.post("/login", &foreign).await;
    refused.assert_problem(422, "invalid_target");
    let error = &refused.json()["errors"][0];
    assert_eq!((&error["field"], &error["code"]), (&json!("resource"), &json!("invalid_target")));
    service.post("/token", &foreign).await.assert_oauth_error(400, "invalid_target");
}

#[actix_web::test]
async fn a_session_stores_the_address_and_the_user_agent_of_its_login() {
    let service = Service::with(&[("AUTH__SESSIONS__MAX_USER_AGENT_CHARS", "8")]).await;
    service.register("alice").await;
    let login = service.request(Method::POST, "/login").header("user-agent", "curl/8.0 (long tail)");
    let answer = send(login.json(&json!({ "username": "alice", "password": PASSWORD }))).await;
    let operator = service.operator().await;
    let caller = operator.sessions.authenticate(&answer.tokens().access, None).await.unwrap();
    assert_eq!(caller.session.ip.as_deref(), Some("127.0.0.1"));
    assert_eq!(caller.session.user_agent.as_deref(), Some("curl/8.0"));
    assert_eq!(caller.session.created_at, i64::try_from(START).unwrap());
}

#[actix_web::test]
async fn an_account_that_changed_since_it_was_read_is_not_held() {
    // This refuses a login whose account is disabled while its password is being hashed.
    let service = Service::start().await;
    service.register("alice").await;
    let operator = service.operator().await;
    let alice = Login::Username("alice".to_owned());
    let stale =
        operator.store.read(move |db| auth_service::store::users::find(db, &alice)).await.unwrap().unwrap();
    operator.accounts.set_disabled("alice", true).await.unwrap().unwrap();
    operator.accounts.set_disabled("alice", false).await.unwrap().unwrap();
    let held = operator
        .store
        .write(move |db| auth_service::store::users::hold(db, &stale.id, stale.auth_version))
        .await
        .unwrap();
    assert!(!held, "the row read before the change cannot be held");
    service.login("alice").await;
}

#[actix_web::test]
async fn logins_beyond_the_queue_are_refused_immediately() {
    for limits in ["true", "false"] {
        let variables = [
            ("AUTH__PASSWORDS__BCRYPT_COST", "8"),
            ("AUTH__HASHING__THREADS", "1"),
            ("AUTH__HASHING__QUEUE", "64"),
            ("AUTH__LIMITS__ENABLED", limits),
        ];
        let service = Service::with(&variables).await;
        // With different unknown names, because at most three attempts for one name are accepted at a time.
        let names: Vec<_> = (0..100).map(|index| format!("unknown-{index}")).collect();
        let logins = names.iter().map(|name| service.try_login(name, PASSWORD));
        let load = Load::watch();
        let answers = futures_util::future::join_all(logins).await;
        let (checked, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| answer.status == 401);
        assert!(checked.len() >= 64, "the queue holds 64: {}", checked.len());
        load.assert(!refused.is_empty(), "no login was refused");
        for answer in refused {
            answer.assert_problem(503, "overloaded");
            assert!(!answer.header("retry-after").is_empty());
        }
    }
}
