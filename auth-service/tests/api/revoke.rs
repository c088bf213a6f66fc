//! `POST /revoke` (RFC 7009).

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::api::audit_budgets::trail_to_its_end;
use crate::api::support::{Answer, Credentials, FORM, Service, Tokens, send};

#[track_caller]
fn assert_done(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"));
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.assert_envelope();
}

async fn revoke(service: &Service, form: &str) {
    assert_done(&service.post_form("/revoke", form).await);
}

async fn client_token(service: &Service, client: &Credentials) -> String {
    let answer = service.post_form_by(client, "/token", "grant_type=client_credentials").await;
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn assert_ended(service: &Service, tokens: &Tokens) {
    service.get_as("/me", &tokens.access).await.assert_problem(401, "token_revoked");
    service.try_refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
}

async fn assert_alive(service: &Service, tokens: &Tokens) {
    assert_eq!(service.get_as("/me", &tokens.access).await.status, 200);
    service.refresh(&tokens.refresh).await;
}

#[actix_web::test]
async fn either_token_ends_the_session_whatever_the_hint_says() {
    let service = Service::start().await;
    let other = service.register_and_login("alice").await;
    for hint in [
        "",
        "&token_type_hint=access_token",
        "&token_type_hint=refresh_token",
        "&token_type_hint=no_such_type",
        "&token_type_hint=",
        "&client_id=first-party",
        "&client_id=first-party&client_secret=",
        "&unknown=1",
    ] {
        for kind in ["access", "refresh"] {
            let tokens = service.login("alice").await;
            let token = if kind == "access" { &tokens.access } else { &tokens.refresh };
            // The second revocation changes nothing, and is no error.
            for _ in 0..2 {
                revoke(&service, &format!("token={token}{hint}")).await;
                assert_ended(&service, &tokens).await;
            }
        }
    }
    let tokens = service.login("alice").await;
    let body = json!({ "token": tokens.refresh, "token_type_hint": "access_token", "unknown": [1] });
    assert_done(&service.post("/revoke", &body).await);
    assert_ended(&service, &tokens).await;
    assert_alive(&service, &other).await;
}

#[actix_web::test]
async fn every_token_of_a_session_ends_it_also_an_old_one() {
    let service = Service::start().await;
    service.register("alice").await;
    let used = service.login("alice").await;
    let used_next = service.refresh(&used.refresh).await;
    let expired = service.login("alice").await;
    service.clock.advance(Duration::from_secs(3600));
    for (token, session) in [(&used.refresh, &used_next), (&expired.access, &expired)] {
        revoke(&service, &format!("token={token}")).await;
        service.try_refresh(&session.refresh).await.assert_oauth_error(400, "invalid_grant");
    }
    // A token that was revoked by a role change still names its session.
    let operator = service.operator().await;
    operator.accounts.change_roles("alice", vec!["subscriber".to_owned()], vec![]).await.unwrap().unwrap();
    let tokens = service.login("alice").await;
    operator.accounts.change_roles("alice", vec![], vec!["subscriber".to_owned()]).await.unwrap().unwrap();
    revoke(&service, &format!("token={}", tokens.access)).await;
    assert_ended(&service, &tokens).await;
}

#[actix_web::test]
async fn an_unknown_token_is_no_error() {
    let service = Service::start().await;
    let client = service.create_client("billing", &[], &[]).await;
    let alive = service.register_and_login("alice").await;
    let foreign = Service::start().await.register_and_login("alice").await;
    let long = "x".repeat(10_000);
    let unsigned = format!("{}.", alive.access.rsplit_once('.').unwrap().0);
    let sid = alive.claims()["sid"].as_str().unwrap().to_owned();
    for token in [
        "x",
        "rt_",
        "...",
        "%00",
        "' OR 1=1 --",
        &long,
        &foreign.access,
        &foreign.refresh,
        &unsigned,
        &sid,
        &alive.refresh[..alive.refresh.len() - 1],
        &format!("{}=", alive.refresh),
    ] {
        revoke(&service, &format!("token={token}")).await;
        assert_done(&service.post_form_by(&client, "/revoke", &format!("token={token}")).await);
    }
    assert_alive(&service, &alive).await;
}

#[actix_web::test]
async fn a_client_can_revoke_its_own_tokens_alone() {
    let service = Service::start().await;
    let (client, other) =
        (service.create_client("billing", &[], &[]).await, service.create_client("shipping", &[], &[]).await);
    let (token, second) = (client_token(&service, &client).await, client_token(&service, &client).await);
    let others = client_token(&service, &other).await;
    let user = service.register_and_login("alice").await;
    for (by, not_theirs) in [
        (Some(&client), &others),
        (Some(&client), &user.access),
        (Some(&client), &user.refresh),
        (Some(&other), &token),
        (None, &token),
    ] {
        let form = format!("token={not_theirs}");
        match by {
            Some(client) => assert_done(&service.post_form_by(client, "/revoke", &form).await),
            None => revoke(&service, &format!("{form}&client_id=client:billing")).await,
        }
    }
    service.refresh(&user.refresh).await;
    for alive in [&token, &second, &others, &user.access] {
        assert!(service.is_active(&client, alive).await, "nothing was revoked");
    }
    for _ in 0..2 {
        assert_done(&service.post_form_by(&client, "/revoke", &format!("token={token}")).await);
        assert!(!service.is_active(&client, &token).await);
        assert!(!service.is_active(&client, &second).await, "they share a status list index");
    }
    let next = client_token(&service, &client).await;
    assert_done(&service.post_form_by(&client, "/revoke", &format!("token={token}")).await);
    assert!(service.is_active(&client, &next).await, "revoking an old token does not revoke a new one");
    let posted = format!("token={next}&client_id={}&client_secret={}", client.id, client.secret);
    revoke(&service, &posted).await;
    assert!(!service.is_active(&client, &next).await);
    assert!(service.is_active(&client, &others).await);
    assert_alive(&service, &user).await;
}

#[actix_web::test]
async fn invalid_requests_are_answered_as_rfc_6749_says() {
    let service = Service::start().await;
    let client = service.create_client("billing", &[], &[]).await;
    let alive = service.register_and_login("alice").await;
    let form = format!("token={}", alive.refresh);
    let wrong = Credentials { secret: "wrong".to_owned(), ..client.clone() };
    let answer = service.post_form_by(&wrong, "/revoke", &form).await;
    answer.assert_oauth_error(401, "invalid_client");
    assert_eq!(answer.header("www-authenticate"), r#"Basic realm="auth-service""#);
    let posted = format!("{form}&client_id=client:billing&client_secret=wrong");
    service.post_form("/revoke", &posted).await.assert_oauth_error(401, "invalid_client");
    let rows = [
        ("/revoke", FORM, String::new(), 400),
        ("/revoke", FORM, "token=".to_owned(), 400),
        ("/revoke", FORM, "token_type_hint=refresh_token".to_owned(), 400),
        ("/revoke", FORM, format!("{form}&{form}"), 400),
        ("/revoke", FORM, format!("{form}&client_id=a&client_id=b"), 400),
        ("/revoke", FORM, format!("{form}&client_secret=x"), 400),
        (&format!("/revoke?{form}"), FORM, String::new(), 400),
        ("/revoke", "application/json", "{}".to_owned(), 400),
        ("/revoke", "application/json", r#"{"token":null}"#.to_owned(), 400),
        ("/revoke", "application/json", r#"{"token":1}"#.to_owned(), 400),
        ("/revoke", "application/json", "[".to_owned(), 400),
        ("/revoke", "text/plain", form.clone(), 415),
    ];
    for (path, media_type, body, status) in rows {
        println!("{path} {media_type} {body}");
        let request = service.request(Method::POST, path).header("content-type", media_type).body(body);
        send(request).await.assert_oauth_error(status, "invalid_request");
    }
    service.get(&format!("/revoke?{form}")).await.assert_problem(405, "method_not_allowed");
    assert_alive(&service, &alive).await;
}

#[actix_web::test]
async fn repeated_revocations_of_a_client_are_in_the_trail_once_or_never_if_its_tokens_stay_valid() {
    let hs256: &[_] = &[
        ("AUTH__TOKENS__ALGORITHM", "HS256"),
        ("AUTH__TOKENS__SHARED_SECRET", "a shared secret of forty-two bytes, no less"),
    ];
    for (variables, rows) in [(&[][..], 1), (hs256, 0)] {
        let service = Service::with(variables).await;
        let client = service.create_client("billing", &[], &[]).await;
        let form = format!("token={}", client_token(&service, &client).await);
        for answer in join_all((0..10).map(|_| service.post_form_by(&client, "/revoke", &form))).await {
            assert_done(&answer);
        }
        let trail = trail_to_its_end(&service).await;
        assert_eq!(trail.iter().filter(|row| row.event == "token_revoked").count(), rows, "{variables:?}");
    }
}
