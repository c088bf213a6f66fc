//! `POST /introspect` (RFC 7662).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::support::{Answer, Credentials, FORM, PASSWORD, Service, Tokens, part, send};

const ISSUER: &str = "http://127.0.0.1:8080";

async fn client_token(service: &Service, client: &Credentials, more: &str) -> String {
    let answer =
        service.post_form_by(client, "/token", &format!("grant_type=client_credentials{more}")).await;
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn login_for(service: &Service, username: &str, resource: Value) -> Tokens {
    let body = json!({ "username": username, "password": PASSWORD, "resource": resource });
    service.post("/login", &body).await.tokens()
}

async fn change_roles(service: &Service, username: &str, add: &[&str], remove: &[&str]) {
    let owned = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
    let operator = service.operator().await;
    operator.accounts.change_roles(username, owned(add), owned(remove)).await.unwrap().unwrap();
}

#[actix_web::test]
async fn an_active_token_is_described_by_its_claims() {
    let service = Service::start().await;
    let client = service.create_client("asking", &["books:read"], &[]).await;
    let body = json!({ "username": "alice", "password": PASSWORD, "email": "alice@example.com" });
    service.post("/register", &body).await;
    change_roles(&service, "alice", &["subscriber"], &[]).await;
    let first = service.login("alice").await;
    service.clock.advance(Duration::from_secs(60));
    let tokens = service.refresh(&first.refresh).await;
    let own = client_token(&service, &client, "").await;
    let described = |mut claims: Value| {
        let members = claims.as_object_mut().unwrap();
        members.remove("status");
        members.insert("active".to_owned(), json!(true));
        members.insert("token_type".to_owned(), json!("Bearer"));
        claims
    };
    for access in [&tokens.access, &own] {
        assert_eq!(service.introspect(&client, access).await, described(part(access, 1)));
    }
    assert_eq!(tokens.claims()["username"], "alice");
    assert!(service.is_active(&client, &first.access).await, "the previous token has the same rights");
}

#[actix_web::test]
async fn a_usable_refresh_token_is_inactive_to_every_client_and_is_not_used_up() {
    let service = Service::start().await;
    let clients = [
        service.create_client("first-party", &[], &[]).await,
        service.create_client("orders", &["books:read"], &["resource-service", ISSUER]).await,
    ];
    let first = service.register_and_login("alice").await;
    for hint in ["", "&token_type_hint=refresh_token", "&token_type_hint=access_token"] {
        for client in &clients {
            let form = format!("token={}{hint}", first.refresh);
            let answer = service.post_form_by(client, "/introspect", &form).await;
            assert_eq!(
                (answer.status.as_u16(), answer.text.as_str()),
                (200, r#"{"active":false}"#),
                "{hint}"
            );
            assert!(service.is_active(client, &first.access).await, "the session's access token is active");
        }
    }
    let second = service.refresh(&first.refresh).await;
    assert!(!service.is_active(&clients[0], &second.refresh).await);
    service.refresh(&second.refresh).await;
}

#[actix_web::test]
async fn a_token_that_is_invalid_for_any_reason_is_answered_with_inactive_alone() {
    let service = Service::start().await;
    let client = service.create_client("asking", &[], &[]).await;
    let elsewhere = Service::start().await;
    let foreign = elsewhere.register_and_login("alice").await;
    let first = service.register_and_login("alice").await;
    let current = service.refresh(&first.refresh).await;
    let ended = service.login("alice").await;
    service.logout(&ended.access).await;
    let disabled = service.register_and_login("bob").await;
    service.operator().await.accounts.set_disabled("bob", true).await.unwrap().unwrap();
    let long = "x.".repeat(3000);
    let rows = [
        ("a refresh token that was used", first.refresh.as_str()),
        ("a session that has ended", &ended.access),
        ("a session that has ended", &ended.refresh),
        ("a disabled account", &disabled.access),
        ("a disabled account", &disabled.refresh),
        ("another issuer's", &foreign.access),
        ("another issuer's", &foreign.refresh),
        ("cut", &current.access[..current.access.len() - 1]),
        ("cut", &current.refresh[..current.refresh.len() - 1]),
        ("extended", &format!("{}A", current.refresh)),
        ("unsigned", &format!("{}.", current.access.rsplit_once('.').unwrap().0)),
        ("garbage", "x"),
        ("garbage", "rt_"),
        ("garbage", "..."),
        ("garbage", "%00"),
        ("garbage", "' OR 1=1 --"),
        ("the client's secret", &client.secret),
        ("long", &long),
    ];
    for (name, token) in rows {
        assert!(!service.is_active(&client, token).await, "{name}: {token}");
    }
    service.operator().await.accounts.set_disabled("bob", false).await.unwrap().unwrap();
    assert!(!service.is_active(&client, &disabled.access).await);
    assert!(service.is_active(&client, &current.access).await, "and a valid one immediately afterwards");
    service.clock.advance(Duration::from_secs(629));
    assert!(service.is_active(&client, &current.access).await, "within the leeway");
    service.clock.advance(Duration::from_secs(1));
    assert!(!service.is_active(&client, &current.access).await, "expired");
}

#[actix_web::test]
async fn a_client_can_introspect_only_tokens_for_its_own_audiences() {
    let service = Service::with(&[("AUTH__AUDIENCE", "orders,billing"), ("AUTH__RESOURCES", "stock")]).await;
    service.register("alice").await;
    let [orders, both, stock] = [
        service.create_client("orders", &[], &["orders"]).await,
        service.create_client("both", &[], &["orders", "stock"]).await,
        service.create_client("stock", &[], &["stock"]).await,
    ];
    let rows = [
        (json!(["orders", "billing"]), [true, true, false]),
        (json!("orders"), [true, true, false]),
        (json!("stock"), [false, true, true]),
        (json!(["billing"]), [false, false, false]),
        (json!(ISSUER), [false, false, false]),
        (json!(["billing", "stock"]), [false, true, true]),
    ];
    for (resource, expected) in rows {
        let tokens = login_for(&service, "alice", resource.clone()).await;
        for (client, active) in [&orders, &both, &stock].into_iter().zip(expected) {
            let seen = service.is_active(client, &tokens.access).await;
            assert_eq!(seen, active, "{} about {resource}", client.id);
        }
    }
    let token = client_token(&service, &both, "&resource=stock").await;
    let answers = [&orders, &both, &stock].map(|client| service.is_active(client, &token));
    assert_eq!(futures_util::future::join_all(answers).await, [false, true, true]);
}

#[actix_web::test]
async fn a_token_is_inactive_after_a_role_was_removed_and_stays_active_after_one_was_added() {
    let service = Service::start().await;
    let client = service.create_client("asking", &[], &[]).await;
    let bystander = service.register_and_login("bob").await;
    let plain = service.register_and_login("alice").await;
    change_roles(&service, "alice", &["subscriber", "admin"], &[]).await;
    assert!(
        service.is_active(&client, &plain.access).await,
        "it has fewer rights than the account, which is harmless"
    );
    let rich = service.refresh(&plain.refresh).await;
    let other = service.login("alice").await;
    change_roles(&service, "alice", &[], &["subscriber"]).await;
    for tokens in [&plain, &rich, &other] {
        assert!(!service.is_active(&client, &tokens.access).await);
    }
    // A session also loses roles that it was given since its last refresh.
    change_roles(&service, "alice", &[], &["admin"]).await;
    let next = service.refresh(&rich.refresh).await;
    assert_eq!(service.introspect(&client, &next.access).await["roles"], json!([]));
    assert!(!service.is_active(&client, &rich.access).await);
    assert!(service.is_active(&client, &bystander.access).await);
}

#[actix_web::test]
async fn a_refresh_that_races_with_the_removal_of_a_role_gives_no_active_token_with_that_role() {
    let service = Service::start().await;
    let client = service.create_client("asking", &[], &[]).await;
    let operator = service.operator().await;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    service.register("alice").await;
    for round in 0..40 {
        operator
            .accounts
            .change_roles("alice", names(&["subscriber", "admin"]), vec![])
            .await
            .unwrap()
            .unwrap();
        let mut tokens = service.login("alice").await;
        if round % 2 == 0 {
            // A repeat within the grace period takes another code path than the first use.
            service.refresh(&tokens.refresh).await;
        } else {
            tokens = service.refresh(&tokens.refresh).await;
        }
        // From now on the session has no status list index: its next refresh gives it one.
        operator.accounts.change_roles("alice", vec![], names(&["admin"])).await.unwrap().unwrap();
        let (next, _) = join(
            service.refresh(&tokens.refresh),
            operator.accounts.change_roles("alice", vec![], names(&["subscriber"])),
        )
        .await;
        let answer = service.introspect(&client, &next.access).await;
        let lost = next.claims()["roles"] == json!(["subscriber"]);
        assert!(!lost || answer["active"] == false, "round {round}: {answer}");
    }
}

#[actix_web::test]
async fn with_a_shared_secret_tokens_have_no_status_and_ended_ones_are_still_inactive() {
    let variables = [
        ("AUTH__TOKENS__ALGORITHM", "HS256"),
        ("AUTH__TOKENS__SHARED_SECRET", "a shared secret of forty-two bytes, no less"),
    ];
    let service = Service::with(&variables).await;
    let client = service.create_client("asking", &[], &[]).await;
    let tokens = service.register_and_login("alice").await;
    let own = client_token(&service, &client, "").await;
    for token in [&tokens.access, &own] {
        assert!(service.is_active(&client, token).await);
    }
    service.logout(&tokens.access).await;
    assert!(!service.is_active(&client, &tokens.access).await);
    let other = service.create_client("other", &[], &[]).await;
    service.operator().await.clients.set_disabled("asking", true).await.unwrap().unwrap();
    assert!(!service.is_active(&other, &own).await);
}

#[actix_web::test]
async fn invalid_requests_are_answered_as_rfc_6749_says() {
    let service = Service::start().await;
    let client = service.create_client("asking", &[], &[]).await;
    let access = service.register_and_login("alice").await.access;
    let good = format!("Basic {}", STANDARD.encode(format!("{}:{}", client.id, client.secret)));
    let form = format!("token={access}");
    let ask = async |authorization: &str, path: &str, media_type: &str, body: &str| -> Answer {
        let request = service.request(Method::POST, path).header("authorization", authorization);
        send(request.header("content-type", media_type).body(body.to_owned())).await
    };
    let bearer = format!("Bearer {access}");
    for authorization in [bearer.as_str(), "Basic eDp5", "Basic", ""] {
        let answer = ask(authorization, "/introspect", FORM, &form).await;
        answer.assert_oauth_error(401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), r#"Basic realm="auth-service""#);
    }
    for form in [form.as_str(), "", "token=x&client_id=first-party", "token=x&client_id=client:asking"] {
        service.post_form("/introspect", form).await.assert_oauth_error(401, "invalid_client");
    }
    let rows = [
        ("/introspect", FORM, String::new(), 400),
        ("/introspect", FORM, "token=".to_owned(), 400),
        ("/introspect", FORM, "token_type_hint=access_token".to_owned(), 400),
        ("/introspect", FORM, format!("{form}&{form}"), 400),
        ("/introspect", FORM, format!("{form}&token_type_hint=a&token_type_hint=b"), 400),
        ("/introspect", FORM, format!("{form}&unknown=1&unknown=2"), 400),
        (&format!("/introspect?{form}"), FORM, String::new(), 400),
        ("/introspect?x", FORM, form.clone(), 400),
        ("/introspect", "application/json", "{}".to_owned(), 400),
        ("/introspect", "application/json", r#"{"token":["x"]}"#.to_owned(), 400),
        ("/introspect", "application/json", r#"{"token":"x","token":"y"}"#.to_owned(), 400),
        ("/introspect", "text/plain", form.clone(), 415),
    ];
    for (path, media_type, body, status) in rows {
        println!("{path} {media_type} {body}");
        ask(&good, path, media_type, &body).await.assert_oauth_error(status, "invalid_request");
    }
    for (media_type, body) in [
        (FORM, format!("{form}&token_type_hint=refresh_token&unknown=1")),
        (FORM, format!("token_type_hint=no_such_type&{form}")),
        ("application/json", json!({ "token": access, "token_type_hint": null, "unknown": [1] }).to_string()),
    ] {
        let answer = ask(&good, "/introspect", media_type, &body).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["active"]), (200, &json!(true)), "{body}");
        answer.assert_envelope();
    }
    let posted = format!("{form}&client_id={}&client_secret={}", client.id, client.secret);
    assert_eq!(service.post_form("/introspect", &posted).await.json()["active"], true);
    service.get(&format!("/introspect?{posted}")).await.assert_problem(405, "method_not_allowed");
}
