//! `POST /token` with `grant_type=refresh_token`.

use std::time::Duration;

use auth_service::app;
use auth_service::settings::Settings;
use serde_json::json;

use crate::api::support::{Answer, PASSWORD, Service, send};

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
async fn fifty_concurrent_uses_give_one_next_token() {
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
async fn a_session_ends_after_its_idle_and_after_its_absolute_lifetime() {
    let variables = [("AUTH__SESSIONS__IDLE_TTL", "1h"), ("AUTH__SESSIONS__ABSOLUTE_TTL", "150m")];
    let service = Service::with(&variables).await;
    let idle = service.register_and_login("alice").await;
    let mut busy = service.login("alice").await;
    for expires_in in [3600, 3600 - 600] {
        service.clock.advance(Duration::from_secs(50 * 60));
        busy = service.refresh(&busy.refresh).await;
        assert_eq!(busy.body["refresh_expires_in"], expires_in, "the earlier of the two limits");
    }
    service.try_refresh(&idle.refresh).await.assert_oauth_error(400, "invalid_grant");
    service.clock.advance(Duration::from_secs(45 * 60));
    let last = service.refresh(&busy.refresh).await;
    assert_eq!(last.body["refresh_expires_in"], 300);
    assert_eq!(last.body["expires_in"], 300, "no access token outlives its session");
    let claims = last.claims();
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 300);
    busy = last;
    service.clock.advance(Duration::from_secs(5 * 60));
    service.try_refresh(&busy.refresh).await.assert_oauth_error(400, "invalid_grant");
}

#[actix_web::test]
async fn a_disabled_account_gets_no_further_tokens() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let operator = service.operator().await;
    operator.accounts.set_disabled("alice", true).await.unwrap().unwrap();
    service.try_refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
    service.get_as("/me", &tokens.access).await.assert_problem(401, "token_revoked");
    operator.accounts.set_disabled("alice", false).await.unwrap().unwrap();
    service.get_as("/me", &tokens.access).await.assert_problem(401, "token_revoked");
}

#[actix_web::test]
async fn the_next_refresh_has_the_current_rights() {
    let service = Service::start().await;
    let first = service.register_and_login("alice").await;
    assert_eq!(first.scope, "");
    let operator = service.operator().await;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    operator
        .accounts
        .change_roles("alice", names(&["subscriber", "admin"]), names(&[]))
        .await
        .unwrap()
        .unwrap();
    let second = service.refresh(&first.refresh).await;
    assert_eq!(
        (second.scope.as_str(), &second.claims()["roles"]),
        ("books:download", &json!(["admin", "subscriber"]))
    );
    operator.accounts.change_roles("alice", names(&[]), names(&["subscriber"])).await.unwrap().unwrap();
    let third = service.refresh(&second.refresh).await;
    assert_eq!((third.scope.as_str(), &third.claims()["roles"]), ("", &json!(["admin"])));
}

#[actix_web::test]
async fn a_refresh_may_request_less_but_never_more() {
    let variables = [
        ("AUTH__AUDIENCE", "orders,billing"),
        ("AUTH__ROLES__SUBSCRIBER__SCOPES", "books:download,books:read"),
    ];
    let service = Service::with(&variables).await;
    service.register("alice").await;
    let operator = service.operator().await;
    operator.accounts.change_roles("alice", vec!["subscriber".to_owned()], vec![]).await.unwrap().unwrap();
    let tokens = service.login("alice").await;
    let ask = async |more: &str| {
        service
            .post_form("/token", &format!("grant_type=refresh_token&refresh_token={}&{more}", tokens.refresh))
            .await
    };
    // A refusal does not use up the refresh token.
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
async fn anything_but_a_refresh_token_is_an_invalid_grant() {
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
async fn an_invalid_token_request_is_answered_as_rfc_6749_says() {
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

/// Refreshes from another address of this machine, with another user agent.
async fn refresh_from(service: &Service, address: &str, program: &str, refresh_token: &str) -> Answer {
    let client = reqwest::Client::builder()
        .local_address(Some(address.parse().unwrap()))
        .user_agent(program)
        .build()
        .unwrap();
    let request = client.post(format!("http://{}/token", service.address));
    send(request.json(&json!({ "grant_type": "refresh_token", "refresh_token": refresh_token }))).await
}

#[actix_web::test]
async fn a_repeat_from_elsewhere_is_theft_even_within_the_grace_period() {
    let service = Service::start().await;
    // Only another address is a phone that changed its network; only another user agent is an update.
    for (address, program) in [("127.0.0.2", "first/1"), ("127.0.0.1", "first/2")] {
        let login = service.register_and_login(&format!("user{}", program.replace('/', "-"))).await;
        let first = refresh_from(&service, "127.0.0.1", "first/1", &login.refresh).await.tokens();
        let repeat = refresh_from(&service, address, program, &login.refresh).await;
        assert_eq!(repeat.tokens().refresh, first.refresh);
    }
    let login = service.register_and_login("alice").await;
    let first = refresh_from(&service, "127.0.0.1", "first/1", &login.refresh).await.tokens();
    let thief = refresh_from(&service, "127.0.0.2", "thief/1", &login.refresh).await;
    thief.assert_oauth_error(400, "invalid_grant");
    assert!(service.revokes(&first).await);
    service.try_refresh(&first.refresh).await.assert_oauth_error(400, "invalid_grant");
    let lenient = Service::with(&[("AUTH__TOKENS__REPEAT_ELSEWHERE_IS_THEFT", "false")]).await;
    let login = lenient.register_and_login("alice").await;
    let first = refresh_from(&lenient, "127.0.0.1", "first/1", &login.refresh).await.tokens();
    let second = refresh_from(&lenient, "127.0.0.2", "second/1", &login.refresh).await.tokens();
    assert_eq!(first.refresh, second.refresh);
}

#[actix_web::test]
async fn a_refresh_token_of_a_future_generation_ends_its_session() {
    let service = Service::start().await;
    let first = service.register_and_login("alice").await;
    let second = service.refresh(&first.refresh).await;
    let third = service.refresh(&second.refresh).await;
    // Like a database that was replaced by an older copy.
    service.run_sql("UPDATE sessions SET generation = 0");
    service.try_refresh(&third.refresh).await.assert_oauth_error(400, "invalid_grant");
    service.try_refresh(&first.refresh).await.assert_oauth_error(400, "invalid_grant");
    assert!(service.revokes(&third).await);
}

#[actix_web::test]
async fn after_a_recovery_no_earlier_token_works_again() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let (ended, list) = (service.login("alice").await, tokens.status_index().0);
    service.logout(&ended.access).await;
    let settings = Settings::load(&service.variables).unwrap();
    // Like a copy from before the logout.
    service.run_sql("UPDATE sessions SET ended_at = NULL; DELETE FROM revocations");
    assert_eq!(
        app::recover(&settings, service.clock.clock()).await.unwrap(),
        2,
        "also the session that was ended: this copy does not show that"
    );
    // A running service notices the recovery by itself.
    let old_key = tokens.header()["kid"].clone();
    service
        .wait_until("the new keys", async || {
            service.get("/.well-known/jwks.json").await.json()["keys"][0]["kid"] != old_key
        })
        .await;
    for old in [&tokens, &ended] {
        service.try_refresh(&old.refresh).await.assert_oauth_error(400, "invalid_grant");
        service.get_as("/me", &old.access).await.assert_problem(401, "invalid_token");
    }
    assert_eq!(service.get(&format!("/status-lists/{list}")).await.status, 404);
    let new = service.login("alice").await;
    assert!(new.status_index().0 > list + 1000, "indexes that may have been given are not given again");
    assert!(!service.revokes(&new).await);
    service.refresh(&new.refresh).await;
    let service = service.restart(&[]).await;
    service.refresh(&service.login("alice").await.refresh).await;
}

#[actix_web::test]
async fn the_error_for_a_lost_master_key_names_a_remedy_that_works() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let mut variables = service.variables.clone();
    let other = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    variables.insert("AUTH__MASTER_KEY".to_owned(), other.to_owned());
    let settings = Settings::load(&variables).unwrap();
    let error = app::build_services(&settings, service.clock.clock()).await.err().unwrap();
    assert!(error.to_string().contains("auth-service recover"), "{error}");
    app::recover(&settings, service.clock.clock()).await.unwrap();
    let service = service.restart(&[("AUTH__MASTER_KEY", other)]).await;
    service.try_refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
    assert_eq!(service.get_as("/me", &service.login("alice").await.access).await.status, 200);
}
