//! Client authentication, and `POST /token` with `grant_type=client_credentials`.

use std::time::Duration;

use auth_service::domain::clients::{CreateClientError, NewClient};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::api::support::{Answer, Credentials, FORM, START, Service, part, send};

const GRANT: &str = "grant_type=client_credentials";
const CHALLENGE: &str = r#"Basic realm="auth-service""#;

fn basic(user_and_password: &str) -> String {
    format!("Basic {}", STANDARD.encode(user_and_password))
}

/// Sends a form to `/token` with these `Authorization` headers.
async fn post(service: &Service, authorization: &[&str], form: &str) -> Answer {
    let mut request = service.request(Method::POST, "/token").header("content-type", FORM);
    for value in authorization {
        request = request.header("authorization", *value);
    }
    send(request.body(form.to_owned())).await
}

/// Returns a client's own token.
async fn token(service: &Service, client: &Credentials) -> String {
    let answer = service.post_form_by(client, "/token", GRANT).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn claims(answer: &Answer) -> Value {
    claims_of(answer.json()["access_token"].as_str().unwrap())
}

fn claims_of(access: &str) -> Value {
    part(access, 1)
}

#[actix_web::test]
async fn a_client_gets_a_token_of_its_own() {
    let service = Service::start().await;
    let client = service.create_client("billing", &["books:read", "books:write"], &[]).await;
    assert_eq!(client.id, "client:billing");
    let answer = service.post_form_by(&client, "/token", GRANT).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"));
    let body = answer.json();
    let expected = json!({
        "access_token": body["access_token"], "token_type": "Bearer", "expires_in": 600,
        "scope": "books:read books:write",
    });
    assert_eq!(body, expected, "and no refresh token (RFC 6749 section 4.4.3)");
    let claims = claims(&answer);
    let idx = &claims["status"]["status_list"]["idx"];
    assert!(idx.is_u64() && claims["jti"].is_string());
    let expected = json!({
        "iss": "http://127.0.0.1:8080", "sub": "client:billing", "client_id": "client:billing",
        "aud": ["resource-service"], "iat": START, "nbf": START, "exp": START + 600, "jti": claims["jti"],
        "scope": "books:read books:write", "roles": [],
        "status": { "status_list": { "idx": idx, "uri": "http://127.0.0.1:8080/status-lists/0" } },
    });
    assert_eq!(claims, expected, "no session, no user, no name");
    let other = service.create_client("shipping", &[], &[]).await;
    let others = claims_of(&token(&service, &other).await);
    assert_ne!(others["status"], claims["status"], "each client has its own status list index");
    assert_eq!(claims_of(&token(&service, &client).await)["status"], claims["status"]);
}

#[actix_web::test]
async fn a_client_authenticates_in_the_header_or_in_the_body() {
    let service = Service::start().await;
    let Credentials { id, secret } = service.create_client("billing", &[], &[]).await;
    let encoded = secret.replace('c', "%63").replace('_', "%5f").replace('A', "%41");
    let rows = [
        (Some(basic(&format!("{id}:{secret}"))), String::new()),
        (Some(basic(&format!("client%3Abilling:{secret}"))), String::new()),
        (Some(basic(&format!("client%3abilling:{encoded}"))), String::new()),
        (Some(basic(&format!("billing:{secret}"))), String::new()),
        (Some(basic(&format!("{id}:{secret}")).replace("Basic", "bAsIc")), String::new()),
        (Some(basic(&format!("{id}:{secret}")).replace("Basic ", "Basic   ")), String::new()),
        // Many libraries name the client in the body as well.
        (Some(basic(&format!("client%3Abilling:{secret}"))), "&client_id=client:billing".to_owned()),
        (Some(basic(&format!("{id}:{secret}"))), "&client_id=client%3Abilling".to_owned()),
        (Some(basic(&format!("billing:{secret}"))), "&client_id=client:billing&client_secret=".to_owned()),
        (None, format!("&client_id={id}&client_secret={secret}")),
        (None, format!("&client_id=client%3Abilling&client_secret={encoded}")),
        (None, format!("&client_id=billing&client_secret={secret}")),
    ];
    for (authorization, more) in rows {
        let headers: Vec<&str> = authorization.iter().map(String::as_str).collect();
        let answer = post(&service, &headers, &format!("{GRANT}{more}")).await;
        assert_eq!(answer.status, 200, "{authorization:?} {more}: {}", answer.text);
        assert_eq!(claims(&answer)["sub"], "client:billing");
    }
    let body = json!({ "grant_type": "client_credentials", "client_id": id, "client_secret": secret });
    assert_eq!(service.post("/token", &body).await.status, 200);
}

#[actix_web::test]
async fn a_client_that_fails_to_authenticate_gets_invalid_client() {
    let service = Service::start().await;
    let Credentials { id, secret } = service.create_client("billing", &[], &[]).await;
    let disabled = service.create_client("disabled", &[], &[]).await;
    service.operator().await.clients.set_disabled("disabled", true).await.unwrap().unwrap();
    service.register("alice").await;
    let good = basic(&format!("{id}:{secret}"));
    let other = service.create_client("other", &[], &[]).await;
    let cut = &secret[..secret.len() - 1];
    let rows: Vec<(Vec<String>, String)> = vec![
        (vec![], String::new()),
        (vec![], "&client_id=client:billing".to_owned()),
        (vec![], "&client_id=first-party".to_owned()),
        (vec![], "&client_id=client:billing&client_secret=".to_owned()),
        (vec![], format!("&client_id={id}&client_secret={cut}")),
        (vec![], format!("&client_id={id}&client_secret={}", secret.to_uppercase())),
        (vec![], format!("&client_id={id}%00&client_secret={secret}")),
        (vec![], format!("&client_id=client:{id}&client_secret={secret}")),
        (vec![], format!("&client_id=unknown&client_secret={secret}")),
        (vec![], format!("&client_id={}&client_secret={secret}", other.id)),
        (vec![], format!("&client_id={}&client_secret={}", disabled.id, disabled.secret)),
        (vec![], format!("&client_id=first-party&client_secret={secret}")),
        (vec![], "&client_id=alice&client_secret=correct+horse+battery".to_owned()),
        (vec![basic(&format!("{id}:{secret}x"))], String::new()),
        (vec![basic(&format!("{id}:"))], String::new()),
        (vec![basic(&format!(":{secret}"))], String::new()),
        (vec![basic(&format!("client::{secret}"))], String::new()),
        (vec![basic(&format!("BILLING:{secret}"))], String::new()),
        (vec![basic(&format!("' OR 1=1 --:{secret}"))], String::new()),
        (vec![basic(&format!("{}:{}", disabled.id, disabled.secret))], String::new()),
        (vec![basic(&format!("billing:{secret}&client_id=x"))], String::new()),
        (vec![basic("no colon")], String::new()),
        (vec![basic("client:billing")], String::new()),
        (vec![format!("Basic {}", STANDARD.encode(b"billing:\xff\xfe"))], String::new()),
        (vec!["Basic %%%".to_owned()], String::new()),
        (vec!["Basic ".to_owned()], String::new()),
        (vec!["Basic".to_owned()], String::new()),
        (vec![String::new()], String::new()),
        (vec!["Bearer x".to_owned()], String::new()),
        (vec![format!("Digest {}", STANDARD.encode(format!("{id}:{secret}")))], String::new()),
    ];
    for (authorization, more) in rows {
        let headers: Vec<&str> = authorization.iter().map(String::as_str).collect();
        let answer = post(&service, &headers, &format!("{GRANT}{more}")).await;
        println!("{authorization:?} {more}");
        answer.assert_oauth_error(401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), CHALLENGE);
        assert!(!answer.text.contains(cut), "no echo: {}", answer.text);
    }
    let posted = format!("&client_id={id}&client_secret={secret}");
    let rows = [
        (vec![good.as_str()], posted.clone()),
        (vec![good.as_str()], format!("&client_secret={secret}")),
        (vec![good.as_str()], format!("&client_id={}", other.id)),
        (vec![good.as_str(), good.as_str()], String::new()),
        (vec![good.as_str(), "Bearer x"], String::new()),
        (vec![], format!("&client_secret={secret}")),
        (vec![], format!("{posted}&client_secret={secret}")),
        (vec![], format!("{posted}&client_id={id}")),
        (vec![], format!("{posted}&grant_type=client_credentials")),
    ];
    for (authorization, more) in rows {
        let answer = post(&service, &authorization, &format!("{GRANT}{more}")).await;
        println!("{authorization:?} {more}");
        answer.assert_oauth_error(400, "invalid_request");
    }
    let in_query = service.post_form(&format!("/token?{GRANT}{posted}"), "").await;
    in_query.assert_oauth_error(400, "invalid_request");
    // Afterwards the right credentials still work.
    assert_eq!(post(&service, &[&good], GRANT).await.status, 200);
}

#[actix_web::test]
async fn a_client_may_request_less_but_never_more() {
    let service = Service::with(&[("AUTH__AUDIENCE", "orders,billing"), ("AUTH__RESOURCES", "stock")]).await;
    let client = service.create_client("shop", &["a:read", "b:read", "b:write"], &["orders", "stock"]).await;
    let modest = service.create_client("modest", &[], &[]).await;
    let rows: [(&Credentials, &str, &str, Value); 10] = [
        (&client, "", "a:read b:read b:write", json!(["orders", "stock"])),
        (&client, "&scope=", "a:read b:read b:write", json!(["orders", "stock"])),
        (&client, "&scope=b:read", "b:read", json!(["orders", "stock"])),
        (&client, "&scope=b:write+a:read", "a:read b:write", json!(["orders", "stock"])),
        (&client, "&scope=a:read++a:read", "a:read", json!(["orders", "stock"])),
        (&client, "&resource=stock", "a:read b:read b:write", json!(["stock"])),
        (&client, "&resource=stock&resource=orders", "a:read b:read b:write", json!(["orders", "stock"])),
        (&client, "&resource=stock&resource=stock&scope=a:read", "a:read", json!(["stock"])),
        (&modest, "", "", json!(["orders", "billing"])),
        (&modest, "&resource=billing&unknown=1", "", json!(["billing"])),
    ];
    for (client, more, scope, audience) in rows {
        let answer = service.post_form_by(client, "/token", &format!("{GRANT}{more}")).await;
        assert_eq!(answer.status, 200, "{more}: {}", answer.text);
        let claims = claims(&answer);
        assert_eq!((&answer.json()["scope"], &claims["scope"]), (&json!(scope), &json!(scope)), "{more}");
        assert_eq!(claims["aud"], audience, "{more}");
    }
    let rows = [
        (&client, "&scope=a:read+admin", "invalid_scope"),
        (&client, "&scope=A:READ", "invalid_scope"),
        (&client, "&scope=a", "invalid_scope"),
        (&client, "&scope=%00", "invalid_scope"),
        (&modest, "&scope=a:read", "invalid_scope"),
        (&client, "&resource=billing", "invalid_target"),
        (&client, "&resource=orders&resource=http://127.0.0.1:8080", "invalid_target"),
        (&client, "&resource=orders+stock", "invalid_target"),
        (&modest, "&resource=stock", "invalid_target"),
        (&modest, "&resource=elsewhere", "invalid_target"),
        (&client, "&scope=a:read&scope=b:read", "invalid_request"),
    ];
    for (client, more, error) in rows {
        let answer = service.post_form_by(client, "/token", &format!("{GRANT}{more}")).await;
        println!("{more}");
        answer.assert_oauth_error(400, error);
    }
}

#[actix_web::test]
async fn a_clients_token_gives_access_to_no_account() {
    let service = Service::with(&[("AUTH__AUDIENCE", "resource-service")]).await;
    let issuer = "http://127.0.0.1:8080";
    let client = service.create_client("admin", &["admin"], &["resource-service", issuer]).await;
    let access = token(&service, &client).await;
    for (method, path) in [
        (Method::GET, "/me"),
        (Method::PATCH, "/me"),
        (Method::DELETE, "/me"),
        (Method::PUT, "/me/password"),
        (Method::GET, "/me/sessions"),
        (Method::DELETE, "/me/sessions"),
        (Method::DELETE, "/me/sessions/0198a0c4-0000-7000-8000-000000000001"),
        (Method::POST, "/logout"),
        (Method::GET, "/admin/users"),
    ] {
        println!("{method} {path}");
        let answer = service.send_as(method, path, &access, &json!({})).await;
        answer.assert_problem(403, "user_required");
    }
    assert!(service.is_active(&client, &access).await);
}

#[actix_web::test]
async fn renewing_the_secret_of_a_client_or_disabling_it_revokes_its_tokens() {
    let service = Service::start().await;
    let asking = service.create_client("asking", &[], &[]).await;
    let mut client = service.create_client("billing", &[], &[]).await;
    let bystander = token(&service, &asking).await;
    let operator = service.operator().await;
    for by_secret in [true, false, true] {
        let (old, old_secret) = (token(&service, &client).await, client.clone());
        assert!(service.is_active(&asking, &old).await);
        if by_secret {
            let secret = operator.clients.renew_secret("billing").await.unwrap().unwrap();
            secret.expose_secret().clone_into(&mut client.secret);
            let refused = service.post_form_by(&old_secret, "/token", GRANT).await;
            refused.assert_oauth_error(401, "invalid_client");
        } else {
            operator.clients.set_disabled("billing", true).await.unwrap().unwrap();
            for (path, form) in [("/token", GRANT), ("/introspect", "token=x"), ("/revoke", "token=x")] {
                let refused = service.post_form_by(&client, path, form).await;
                refused.assert_oauth_error(401, "invalid_client");
            }
            assert!(!service.is_active(&asking, &old).await);
            operator.clients.set_disabled("billing", false).await.unwrap().unwrap();
        }
        assert!(!service.is_active(&asking, &old).await, "also after the client is enabled again");
        let new = token(&service, &client).await;
        assert!(service.is_active(&asking, &new).await);
        assert_ne!(claims_of(&new)["status"], claims_of(&old)["status"]);
    }
    assert!(service.is_active(&asking, &bystander).await);
    assert!(operator.clients.renew_secret("unknown").await.unwrap().is_none());
    assert!(operator.clients.set_disabled("unknown", true).await.unwrap().is_none());
}

/// On PostgreSQL these transactions all read and then write concurrently.
#[actix_web::test]
async fn concurrent_tokens_of_a_client_share_a_status_list_index_and_are_revoked_together() {
    let service = Service::start().await;
    let replica = service.replica().await;
    let asking = service.create_client("asking", &[], &[]).await;
    let client = service.create_client("billing", &[], &[]).await;
    for _ in 0..3 {
        let tokens = (0..16).map(|index| token(if index % 2 == 0 { &service } else { &replica }, &client));
        let tokens = futures_util::future::join_all(tokens).await;
        let mut indexes: Vec<_> = tokens.iter().map(|access| claims_of(access)["status"].clone()).collect();
        indexes.dedup();
        assert_eq!(indexes.len(), 1);
        let form = format!("token={}", tokens[0]);
        let revocations = (0..8).map(|_| service.post_form_by(&client, "/revoke", &form));
        for answer in futures_util::future::join_all(revocations).await {
            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"));
        }
        for access in &tokens {
            assert!(!replica.is_active(&asking, access).await);
        }
    }
}

#[actix_web::test]
async fn only_first_party_clients_refresh_sessions() {
    let service = Service::start().await;
    let client = service.create_client("billing", &[], &[]).await;
    let tokens = service.register_and_login("alice").await;
    let refresh = format!("grant_type=refresh_token&refresh_token={}", tokens.refresh);
    service.post_form_by(&client, "/token", &refresh).await.assert_oauth_error(400, "invalid_grant");
    let posted = format!("{refresh}&client_id={}&client_secret={}", client.id, client.secret);
    service.post_form("/token", &posted).await.assert_oauth_error(400, "invalid_grant");
    let wrong = format!("{refresh}&client_id={}&client_secret=wrong", client.id);
    service.post_form("/token", &wrong).await.assert_oauth_error(401, "invalid_client");
    post(&service, &[&basic("billing:wrong")], &refresh).await.assert_oauth_error(401, "invalid_client");
    // None of these used it up. A public client sends its name without a secret; a browser may send its old access token too.
    let rows = [
        (vec![], "&client_id=first-party"),
        (vec![], "&client_id=anything&client_secret="),
        (vec![format!("Bearer {}", tokens.access)], ""),
    ];
    let mut refresh_token = tokens.refresh;
    for (headers, more) in rows {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let form = format!("grant_type=refresh_token&refresh_token={refresh_token}{more}");
        let answer = post(&service, &headers, &form).await;
        assert_eq!(answer.status, 200, "{headers:?} {more}: {}", answer.text);
        refresh_token = answer.tokens().refresh;
    }
}

#[actix_web::test]
async fn an_operator_cannot_create_a_client_twice_or_for_an_unknown_audience() {
    let service = Service::with(&[("AUTH__RESOURCES", "stock")]).await;
    let operator = service.operator().await;
    let new = |name: &str, scopes: &[&str], audience: &[&str]| {
        let owned = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        NewClient { name: name.to_owned(), scopes: owned(scopes), audience: owned(audience) }
    };
    let twice = new("billing", &["b", "a", "b"], &["stock", "resource-service", "stock"]);
    let (client, _) = operator.clients.create(twice).await.unwrap();
    assert_eq!((client.scopes.as_str(), client.audience.as_str()), ("b a", "stock resource-service"));
    let outcome = operator.clients.create(new("billing", &[], &[])).await;
    assert!(matches!(outcome, Err(CreateClientError::Taken)));
    let outcome = operator.clients.create(new("other", &[], &["stock", "elsewhere"])).await;
    assert!(matches!(outcome, Err(CreateClientError::Audience(unknown)) if unknown == "elsewhere"));
    service.clock.advance(Duration::from_secs(1));
    operator.clients.create(new("Billing", &[], &[])).await.unwrap();
    let names: Vec<_> =
        operator.clients.list().await.unwrap().into_iter().map(|client| client.name).collect();
    assert_eq!(names, ["billing", "Billing"], "the oldest is first");
}
