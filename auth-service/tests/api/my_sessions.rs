//! `GET /me/sessions`, `DELETE /me/sessions/{id}` and `DELETE /me/sessions`.

use std::time::Duration;

use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};

use crate::DATABASE;
use crate::api::support::{Answer, PASSWORD, START, Service, Tokens, send};
use crate::database::Database;

async fn list(service: &Service, access: &str, query: &str) -> Value {
    let answer = service.get_as(&format!("/me/sessions{query}"), access).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("cache-control")),
        (200, "no-store"),
        "{}",
        answer.text
    );
    answer.json()
}

async fn register_and_login_here(service: &Service, username: &str) -> Tokens {
    service.register(username).await;
    service.login_here(username).await
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

fn sid(tokens: &Tokens) -> String {
    tokens.claims()["sid"].as_str().unwrap().to_owned()
}

async fn delete(service: &Service, path: &str, access: &str) -> Answer {
    send(service.request(Method::DELETE, path).bearer_auth(access)).await
}

async fn assert_ended(service: &Service, tokens: &Tokens) {
    service.try_refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
    service.get_as("/me", &tokens.access).await.assert_problem(401, "token_revoked");
}

#[actix_web::test]
async fn sessions_are_listed_with_device_and_address_the_newest_first() {
    let service = Service::with(&[("AUTH__SESSIONS__MAX_USER_AGENT_CHARS", "20")]).await;
    service.register("alice").await;
    register_and_login_here(&service, "bob").await;
    let first = service.login_with("alice", "old phone").await;
    service.clock.advance(Duration::from_secs(60));
    let second = service.login_with("alice", "a device with a name that is much too long").await;
    let third = service.login_here("alice").await;
    service.clock.advance(Duration::from_secs(60));
    // A refresh updates the address and the user agent.
    let request = service.request(Method::POST, "/token").header("user-agent", "new phone");
    let body = json!({ "grant_type": "refresh_token", "refresh_token": first.refresh });
    let first = send(request.json(&body)).await.tokens();
    let item = |tokens: &Tokens, created_at, last_used_at, user_agent: Option<&str>| {
        json!({
            "id": sid(tokens), "created_at": created_at, "last_used_at": last_used_at, "ip": "127.0.0.1",
            "user_agent": user_agent, "current": sid(tokens) == sid(&second),
        })
    };
    let expected = [
        item(&third, START + 60, START + 60, None),
        item(&second, START + 60, START + 60, Some("a device with a name")),
        item(&first, START, START + 120, Some("new phone")),
    ];
    assert_eq!(
        list(&service, &second.access, "").await,
        json!({ "items": expected, "next": null }),
        "no other user's session, and no token"
    );
}

#[actix_web::test]
async fn a_list_is_paged_by_cursor() {
    let service = Service::start().await;
    service.register("alice").await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.insert(0, service.login_here("alice").await);
    }
    let access = &all[1].access;
    for limit in 1..=4 {
        let (mut seen, mut query) = (Vec::new(), format!("?limit={limit}"));
        loop {
            let part = list(&service, access, &query).await;
            assert!(ids(&part).len() <= limit && !ids(&part).is_empty(), "{part}");
            seen.extend(ids(&part).into_iter().map(str::to_owned));
            let Some(next) = part["next"].as_str() else { break };
            query = format!("?cursor={next}&limit={limit}");
        }
        assert_eq!(seen, all.iter().map(sid).collect::<Vec<_>>(), "by {limit}");
    }
    // A session that ends in between does not shift the other items.
    let cursor = sid(&all[1]);
    service.logout(&all[1].access).await;
    let rest = list(&service, &all[0].access, &format!("?cursor={cursor}")).await;
    assert_eq!(ids(&rest), [sid(&all[2])]);
}

#[actix_web::test]
async fn the_list_does_not_depend_on_how_the_database_sorts_text() {
    let service = Service::start().await;
    let tokens = register_and_login_here(&service, "alice").await;
    if DATABASE == Database::Postgresql {
        service.run_sql(r#"ALTER TABLE sessions ALTER COLUMN id TYPE TEXT COLLATE "en-x-icu""#);
    }
    assert_eq!(ids(&list(&service, &tokens.access, "").await), [sid(&tokens)]);
}

#[actix_web::test]
async fn an_invalid_query_is_a_client_error() {
    let service = Service::start().await;
    let access = register_and_login_here(&service, "alice").await.access;
    let long = "0".repeat(37);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=~", "cursor"),
        (&format!("cursor={long}"), "cursor"),
        ("cursor=0198a0c4-0000-7000-8000-00000000000g", "cursor"),
    ] {
        let answer = service.get_as(&format!("/me/sessions?{query}"), &access).await;
        answer.assert_problem(422, "invalid_fields");
        assert_eq!(answer.json()["errors"][0]["field"], field, "{query}");
    }
    for query in ["limit=many", "limit=-1", "limit=99999999999", "unknown=1", "limit=1&limit=2", "user_id=x"]
    {
        let answer = service.get_as(&format!("/me/sessions?{query}"), &access).await;
        answer.assert_problem(400, "malformed_query");
    }
    for (method, path) in
        [(Method::GET, "/me/sessions"), (Method::DELETE, "/me/sessions"), (Method::DELETE, "/me/sessions/x")]
    {
        send(service.request(method, path)).await.assert_problem(401, "missing_token");
    }
}

#[actix_web::test]
async fn a_session_can_be_ended_by_its_owner_alone() {
    let service = Service::start().await;
    let stranger = register_and_login_here(&service, "bob").await;
    let (kept, ended) = (register_and_login_here(&service, "alice").await, service.login_here("alice").await);
    let path = |tokens: &Tokens| format!("/me/sessions/{}", sid(tokens));
    delete(&service, &path(&ended), &stranger.access).await.assert_problem(404, "not_found");
    let again = service.refresh(&ended.refresh).await;
    let answer = delete(&service, &path(&ended), &kept.access).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert_ended(&service, &again).await;
    delete(&service, &path(&ended), &kept.access).await.assert_problem(404, "not_found");
    delete(&service, &path(&ended), &ended.access).await.assert_problem(401, "token_revoked");
    assert_eq!(ids(&list(&service, &kept.access, "").await), [sid(&kept)]);
    let upper = sid(&stranger).to_uppercase();
    let unknown = "0198a0c4-0000-7000-8000-000000000001";
    let long = "a".repeat(2000);
    for id in
        [&sid(&stranger), &upper, unknown, "x", "%00", "%ff", "'%20OR%201=1%20--", "..%2f..", "-", &long]
    {
        delete(&service, &format!("/me/sessions/{id}"), &kept.access).await.assert_problem(404, "not_found");
    }
    for alive in [&kept, &stranger] {
        assert_eq!(service.get_as("/me", &alive.access).await.status, 200);
        service.refresh(&alive.refresh).await;
    }
    // Ending the current session is a logout.
    assert_eq!(delete(&service, &path(&kept), &kept.access).await.status, 204);
    assert_ended(&service, &kept).await;
}

#[actix_web::test]
async fn all_other_sessions_are_ended_and_this_one_continues() {
    let service = Service::start().await;
    let stranger = register_and_login_here(&service, "bob").await;
    service.register("alice").await;
    let others = [
        service.login_here("alice").await,
        service.login_here("alice").await,
        service.login_here("alice").await,
    ];
    let kept = service.login_here("alice").await;
    for _ in 0..2 {
        let answer = delete(&service, "/me/sessions", &kept.access).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    }
    for ended in &others {
        assert_ended(&service, ended).await;
    }
    assert_eq!(ids(&list(&service, &kept.access, "").await), [sid(&kept)]);
    for alive in [&kept, &stranger] {
        assert_eq!(service.get_as("/me", &alive.access).await.status, 200);
        service.refresh(&alive.refresh).await;
    }
}

#[actix_web::test]
async fn sessions_that_have_ended_or_expired_are_not_listed() {
    let service = Service::with(&[("AUTH__SESSIONS__IDLE_TTL", "1h")]).await;
    let expired = register_and_login_here(&service, "alice").await;
    let stolen = service.login_here("alice").await;
    service.clock.advance(Duration::from_secs(3590));
    let refreshed = service.refresh(&stolen.refresh).await;
    let logged_out = service.login_here("alice").await;
    let current = service.login_here("alice").await;
    let everything = [sid(&current), sid(&logged_out), sid(&stolen), sid(&expired)];
    assert_eq!(ids(&list(&service, &current.access, "").await), everything);
    service.logout(&logged_out.access).await;
    service.clock.advance(Duration::from_secs(11));
    service.try_refresh(&stolen.refresh).await.assert_oauth_error(400, "invalid_grant");
    assert_ended(&service, &refreshed).await;
    assert_eq!(ids(&list(&service, &current.access, "").await), [sid(&current)]);
    let path = format!("/me/sessions/{}", sid(&expired));
    delete(&service, &path, &current.access).await.assert_problem(404, "not_found");
}

/// On PostgreSQL these transactions lock the same rows in many orders.
#[actix_web::test]
async fn concurrent_changes_to_one_account_cause_no_server_error() {
    let service = Service::with(&[("AUTH__LIMITS__WAITING_PER_ACCOUNT", "60")]).await;
    let replica = service.replica().await;
    let asking = service.create_client("asking", &[], &[service.issuer()]).await;
    let operator = service.operator().await;
    service.register("alice").await;
    for round in 0..4 {
        let all = join_all((0..8).map(|_| service.login_here("alice"))).await;
        let requests = (0..8).flat_map(|index| {
            let by = if index % 2 == 0 { &service } else { &replica };
            let email = format!("alice.{round}.{index}@example.com");
            let bearer = |method, path: &str| by.request(method, path).bearer_auth(&all[index].access);
            let next = format!("/me/sessions/{}", sid(&all[(index + 1) % 8]));
            [
                by.request(Method::POST, "/token")
                    .json(&json!({ "grant_type": "refresh_token", "refresh_token": all[index].refresh })),
                bearer(Method::PATCH, "/me").json(&json!({ "email": email, "current_password": PASSWORD })),
                bearer(Method::DELETE, if index < 6 { "/me/sessions" } else { &next }),
                by.request(Method::POST, "/revoke").json(&json!({ "token": all[(index + 3) % 8].access })),
            ]
        });
        let roles = (0..6).map(|index| {
            let role = vec!["subscriber".to_owned()];
            let (add, remove) = if index % 2 == 0 { (role, vec![]) } else { (vec![], role) };
            operator.accounts.change_roles("alice", add, remove)
        });
        let (answers, changes) = join(join_all(requests.map(send)), join_all(roles)).await;
        assert!(changes.iter().all(Result::is_ok), "{changes:?}");
        for answer in &answers {
            assert!(answer.status.as_u16() < 500, "{}: {}", answer.status, answer.text);
        }
        let witness = service.login_here("alice").await;
        let alive = list(&service, &witness.access, "").await;
        let refreshed = answers.iter().filter(|answer| answer.text.contains("refresh_token"));
        for tokens in all.iter().cloned().chain(refreshed.map(Answer::tokens)) {
            let active = service.is_active(&asking, &tokens.access).await;
            assert!(
                !active || ids(&alive).contains(&sid(&tokens).as_str()),
                "an active token of a session that is not in the list"
            );
            assert!(
                !active
                    || tokens.claims()["roles"] == witness.claims()["roles"]
                    || tokens.claims()["roles"] == json!([])
            );
        }
    }
}
