//! `POST /token` with `grant_type=refresh_token`.

use std::time::Duration;

use serde_json::json;

use crate::api::support::{PASSWORD, Service};

#[actix_web::test]
async fn each_refresh_gives_new_tokens_of_the_same_session() {
    let service = Service::start().await;
    let first = service.register_and_login("alice").await;
    let second = service.refresh(&first.refresh).await;
    let third = service.refresh(&second.refresh).await;
    assert_ne!(first.refresh, second.refresh);
    assert_ne!(second.refresh, third.refresh);
    assert_eq!(first.claims()["sid"], third.claims()["sid"]);
    assert_ne!(first.claims()["jti"], third.claims()["jti"]);
    assert_eq!(first.claims()["auth_time"], third.claims()["auth_time"]);
    assert_eq!(service.get_as("/me", &third.access).await.status, 200);
}

#[actix_web::test]
async fn json_does_what_a_form_does() {
    let service = Service::start().await;
    let first = service.register_and_login("alice").await;
    let body = json!({ "grant_type": "refresh_token", "refresh_token": first.refresh, "unknown": [1], "scope": null });
    let answer = service.post("/token", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[actix_web::test]
async fn a_repeat_within_the_grace_period_gets_the_same_answer() {
    let service = Service::start().await;
    let first = service.register_and_login("alice").await;
    let second = service.refresh(&first.refresh).await;
    service.clock.advance(Duration::from_secs(10));
    let again = service.refresh(&first.refresh).await;
    assert_eq!(second.refresh, again.refresh);
    service.refresh(&again.refresh).await;
}

#[actix_web::test]
async fn fifty_uses_at_once_give_one_lineage() {
    let service = Service::start().await;
    let first = service.register_and_login("alice").await;
    let answers = futures_util::future::join_all((0..50).map(|_| service.refresh(&first.refresh))).await;
    let mut next: Vec<_> = answers.into_iter().map(|tokens| tokens.refresh).collect();
    next.dedup();
    assert_eq!(next.len(), 1);
}

#[actix_web::test]
async fn a_use_after_the_grace_period_is_theft_and_ends_the_session() {
    let service = Service::start().await;
    let first = service.register_and_login("alice").await;
    let second = service.refresh(&first.refresh).await;
    service.clock.advance(Duration::from_secs(11));
    service.try_refresh(&first.refresh).await.assert_oauth_error(400, "invalid_grant");
    service.try_refresh(&second.refresh).await.assert_oauth_error(400, "invalid_grant");
    service.get_as("/me", &second.access).await.assert_problem(401, "token_revoked");
}

#[actix_web::test]
async fn a_use_of_an_older_generation_is_theft_at_any_time() {
    let service = Service::start().await;
    let first = service.register_and_login("alice").await;
    let second = service.refresh(&first.refresh).await;
    let third = service.refresh(&second.refresh).await;
    service.try_refresh(&first.refresh).await.assert_oauth_error(400, "invalid_grant");
    service.try_refresh(&third.refresh).await.assert_oauth_error(400, "invalid_grant");
}

#[actix_web::test]
async fn without_grace_a_token_works_once() {
    let service = Service::with(&[("AUTH__TOKENS__REFRESH_GRACE", "0s")]).await;
    let first = service.register_and_login("alice").await;
    let second = service.refresh(&first.refresh).await;
    service.try_refresh(&first.refresh).await.assert_oauth_error(400, "invalid_grant");
    service.try_refresh(&second.refresh).await.assert_oauth_error(400, "invalid_grant");
}

#[actix_web::test]
async fn a_session_ends_when_it_is_not_used_and_in_any_case() {
    let variables = [("AUTH__SESSIONS__IDLE_TTL", "1h"), ("AUTH__SESSIONS__ABSOLUTE_TTL", "150m")];
    let service = Service::with(&variables).await;
    let idle = service.register_and_login("alice").await;
    let mut busy = service.login("alice").await;
    for expires_in in [3600, 3600 - 600] {
        service.clock.advance(Duration::from_secs(50 * 60));
        busy = service.refresh(&busy.refresh).await;
        assert_eq!(busy.body["refresh_expires_in"], expires_in, "the nearer of the two limits");
    }
    service.try_refresh(&idle.refresh).await.assert_oauth_error(400, "invalid_grant");
    service.clock.advance(Duration::from_secs(50 * 60));
    service.try_refresh(&busy.refresh).await.assert_oauth_error(400, "invalid_grant");
}

#[actix_web::test]
async fn a_disabled_account_gets_nothing_more() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let operator = service.operator().await;
    operator.set_disabled("alice", true).await.unwrap().unwrap();
    service.try_refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
    service.get_as("/me", &tokens.access).await.assert_problem(401, "token_revoked");
    operator.set_disabled("alice", false).await.unwrap().unwrap();
    service.get_as("/me", &tokens.access).await.assert_problem(401, "token_revoked");
}

#[actix_web::test]
async fn the_next_refresh_shows_the_rights_of_now() {
    let service = Service::start().await;
    let first = service.register_and_login("alice").await;
    assert_eq!(first.scope, "");
    let operator = service.operator().await;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    operator.change_roles("alice", names(&["subscriber", "admin"]), names(&[])).await.unwrap().unwrap();
    let second = service.refresh(&first.refresh).await;
    assert_eq!(
        (second.scope.as_str(), &second.claims()["roles"]),
        ("books:download", &json!(["admin", "subscriber"]))
    );
    operator.change_roles("alice", names(&[]), names(&["subscriber"])).await.unwrap().unwrap();
    let third = service.refresh(&second.refresh).await;
    assert_eq!((third.scope.as_str(), &third.claims()["roles"]), ("", &json!(["admin"])));
}

#[actix_web::test]
async fn less_may_be_asked_for_but_never_more() {
    let variables = [
        ("AUTH__AUDIENCE", "orders,billing"),
        ("AUTH__ROLES__SUBSCRIBER__SCOPES", "books:download,books:read"),
    ];
    let service = Service::with(&variables).await;
    service.register("alice").await;
    let operator = service.operator().await;
    operator.change_roles("alice", vec!["subscriber".to_owned()], vec![]).await.unwrap().unwrap();
    let tokens = service.login("alice").await;
    let ask = async |more: &str| {
        service
            .post_form("/token", &format!("grant_type=refresh_token&refresh_token={}&{more}", tokens.refresh))
            .await
    };
    // A refusal does not use up the token.
    ask("scope=books:read+admin").await.assert_oauth_error(400, "invalid_scope");
    ask("resource=elsewhere").await.assert_oauth_error(400, "invalid_target");
    ask(&format!("scope={}", "x".repeat(10_000))).await.assert_oauth_error(400, "invalid_scope");
    let narrowed = ask("scope=books:read&resource=billing").await.tokens();
    assert_eq!((narrowed.scope.as_str(), &narrowed.claims()["aud"]), ("books:read", &json!(["billing"])));
    let full = service.refresh(&narrowed.refresh).await;
    assert_eq!(
        (full.scope.as_str(), &full.claims()["aud"]),
        ("books:download books:read", &json!(["orders", "billing"]))
    );
}

#[actix_web::test]
async fn what_is_no_refresh_token_is_an_invalid_grant() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let good = tokens.refresh.as_str();
    let rows = [
        "rt_".to_owned(),
        "x".to_owned(),
        "rt_AAAA".to_owned(),
        good.trim_start_matches("rt_").to_owned(),
        good.to_uppercase(),
        format!("{good}A"),
        format!("{good}="),
        good[..good.len() - 1].to_owned(),
        format!("%00{good}"),
        "rt_' OR 1=1 --".to_owned(),
        tokens.access.clone(),
        "x".repeat(10_000),
    ];
    for row in rows {
        service.try_refresh(&row).await.assert_oauth_error(400, "invalid_grant");
    }
    service.refresh(good).await;
}

#[actix_web::test]
async fn what_is_no_token_request_is_answered_as_rfc_6749_says() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let refresh = &tokens.refresh;
    let rows = [
        (String::new(), "invalid_request"),
        ("grant_type=".to_owned(), "invalid_request"),
        ("grant_type=refresh_token".to_owned(), "invalid_request"),
        ("grant_type=refresh_token&refresh_token=".to_owned(), "invalid_request"),
        (format!("refresh_token={refresh}"), "invalid_request"),
        (
            format!("grant_type=refresh_token&grant_type=refresh_token&refresh_token={refresh}"),
            "invalid_request",
        ),
        (
            format!("grant_type=refresh_token&refresh_token={refresh}&refresh_token={refresh}"),
            "invalid_request",
        ),
        (format!("grant_type=password&username=alice&password={PASSWORD}"), "unsupported_grant_type"),
        ("grant_type=authorization_code&code=x".to_owned(), "unsupported_grant_type"),
        (format!("username=alice&password={PASSWORD}"), "invalid_request"),
    ];
    for (form, error) in rows {
        service.post_form("/token", &form).await.assert_oauth_error(400, error);
    }
    let in_query = format!("/token?grant_type=refresh_token&refresh_token={refresh}");
    service.post_form(&in_query, "").await.assert_oauth_error(400, "invalid_request");
    for body in [
        json!({ "grant_type": 1 }),
        json!({ "grant_type": "refresh_token", "refresh_token": { "$ne": 1 } }),
        json!({ "username": "alice" }),
        json!({ "username": "alice", "email": "a@example.com", "password": PASSWORD }),
        json!({}),
    ] {
        service.post("/token", &body).await.assert_oauth_error(400, "invalid_request");
    }
    service.refresh(refresh).await;
}
