//! Rate limits of refreshes and client tokens, and which refreshes have a row in the audit trail.

use std::time::Duration;

use auth_service::store::audit_events::AuditEvent;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::audit_budgets::trail_to_its_end;
use crate::api::support::{Answer, FORM, Service, Tokens, send};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A small burst, and almost none after that.
const FEW: [(&str, &str); 4] = [
    ("AUTH__LIMITS__SESSION_REFRESH__BURST", "3"),
    ("AUTH__LIMITS__SESSION_REFRESH__PER_MINUTE", "1"),
    ("AUTH__LIMITS__CLIENT_GRANT__BURST", "3"),
    ("AUTH__LIMITS__CLIENT_GRANT__PER_MINUTE", "1"),
];
/// The same limit for all sessions of an account.
const FEW_OF_ACCOUNT: (&str, &str) = ("AUTH__LIMITS__ACCOUNT_REFRESH__BURST", "3");
/// The tests act as a trusted proxy, which names the client's address.
const PROXIED: (&str, &str) = ("AUTH__HTTP__TRUSTED_PROXIES", "127.0.0.1/32");

fn assert_too_many(answer: &Answer) {
    answer.assert_oauth_error(429, "invalid_request");
    let wait: u32 = answer.header("retry-after").parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
}

/// Refreshes from an address, with a user agent.
async fn refresh_from(service: &Service, tokens: &Tokens, address: &str, user_agent: &str) -> Tokens {
    let request = service.request(Method::POST, "/token").header("content-type", FORM);
    let request = request.header("x-forwarded-for", address).header("user-agent", user_agent);
    send(request.body(format!("grant_type=refresh_token&refresh_token={}", tokens.refresh))).await.tokens()
}

async fn login_from(service: &Service, name: &str, address: &str, user_agent: &str) -> Tokens {
    let request = service.request(Method::POST, "/login");
    let request = request.header("x-forwarded-for", address).header("user-agent", user_agent);
    let body = json!({ "username": name, "password": crate::api::support::PASSWORD });
    send(request.json(&body)).await.tokens()
}

/// Stops the service, and returns the refreshes in its trail.
async fn refreshes(service: &Service) -> Vec<AuditEvent> {
    let mut rows = trail_to_its_end(service).await;
    rows.retain(|row| row.event == "token_refreshed");
    rows
}

fn changed(row: &AuditEvent) -> Value {
    let details = row.details.as_deref().map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
    details["changed"].clone()
}

#[actix_web::test]
async fn a_session_that_is_refreshed_too_often_gets_429_and_its_token_stays_valid() {
    let service = Service::with(&FEW).await;
    service.register("alice").await;
    let (mut tokens, other) = (service.login("alice").await, service.login("alice").await);
    for _ in 0..3 {
        tokens = service.refresh(&tokens.refresh).await;
    }
    for _ in 0..5 {
        assert_too_many(&service.try_refresh(&tokens.refresh).await);
    }
    service.refresh(&other.refresh).await; // another session of the same user
    let service = service.restart(&[("AUTH__LIMITS__SESSION_REFRESH__BURST", "100")]).await;
    service.refresh(&tokens.refresh).await; // the token was not used up
}

#[actix_web::test]
async fn refusals_of_a_session_that_is_refreshed_too_often_are_in_the_trail_and_bounded() {
    let few = [("AUTH__AUDIT__REFUSALS_OF_HOLDER__BURST", "2")];
    let service = Service::with(&[&FEW[..], &few].concat()).await;
    service.register("alice").await;
    let mut tokens = service.login("alice").await;
    for _ in 0..3 {
        tokens = service.refresh(&tokens.refresh).await;
    }
    for _ in 0..20 {
        assert_too_many(&service.try_refresh(&tokens.refresh).await);
    }
    let sid = tokens.claims()["sid"].as_str().unwrap().to_owned();
    let rows = trail_to_its_end(&service).await;
    let stored =
        rows.iter().filter(|row| row.reason.as_deref() == Some("too_many_requests")).collect::<Vec<_>>();
    assert!(stored.iter().all(|row| row.session.as_deref() == Some(&sid)), "{stored:?}");
    let omitted = rows.iter().find(|row| row.event == "refusals_omitted").unwrap();
    let details: Value = serde_json::from_str(omitted.details.as_deref().unwrap()).unwrap();
    assert_eq!((&details["event"], &details["holder"]), (&json!("token_refreshed"), &json!(sid)));
    assert_eq!(stored.len() as u64 + details["count"].as_u64().unwrap(), 20);
    assert!((2..20).contains(&stored.len()));
}

#[actix_web::test]
async fn many_sessions_of_one_account_with_changing_user_agents_add_no_more_rows_than_the_account_may() {
    let variables = [
        PROXIED,
        ("AUTH__LIMITS__ACCOUNT_REFRESH__BURST", "8"),
        ("AUTH__LIMITS__ACCOUNT_REFRESH__PER_MINUTE", "1"),
        ("AUTH__AUDIT__REFUSALS_OF_HOLDER__BURST", "2"),
        ("AUTH__AUDIT__FIRST_REFUSALS_OF_HOLDER__BURST", "2"),
    ];
    let service = Service::with(&variables).await;
    let mallory = service.register("mallory").await["id"].clone();
    let other = service.register_and_login("alice").await;
    let mut sessions = Vec::new();
    for _ in 0..6 {
        sessions.push(login_from(&service, "mallory", "192.0.2.1", "Firefox").await);
    }
    let (mut granted, mut refused) = (0, 0);
    for agent in ["curl", "Firefox", "curl", "Firefox", "curl"] {
        for tokens in &mut sessions {
            let request = service.request(Method::POST, "/token").header("content-type", FORM);
            let request = request.header("x-forwarded-for", "192.0.2.1").header("user-agent", agent);
            let form = format!("grant_type=refresh_token&refresh_token={}", tokens.refresh);
            let answer = send(request.body(form)).await;
            if answer.status == 429 {
                assert_too_many(&answer);
                refused += 1;
            } else {
                *tokens = answer.tokens();
                granted += 1;
            }
        }
    }
    assert!((8..30).contains(&granted) && granted + refused == 30, "{granted} and {refused}");
    service.refresh(&other.refresh).await; // of another account
    let service = service.restart(&[("AUTH__LIMITS__ACCOUNT_REFRESH__BURST", "100")]).await;
    for tokens in &sessions {
        service.refresh(&tokens.refresh).await; // none was used up
    }
    let rows = trail_to_its_end(&service).await;
    let of_mallory = |row: &&AuditEvent| row.subject.as_deref() == mallory.as_str();
    let refreshed = rows.iter().filter(of_mallory).filter(|row| row.event == "token_refreshed");
    let (stored, changed): (Vec<_>, Vec<_>) = refreshed.partition(|row| row.reason.is_some());
    // The refreshes after the restart came from another address.
    assert!(changed.len() <= granted + 6, "{granted}: {changed:?}");
    assert!(
        stored.iter().all(|row| row.reason.as_deref() == Some("too_many_requests") && row.session.is_some())
    );
    assert!((4..refused).contains(&stored.len()), "{refused}: {stored:?}");
    let omitted = rows.iter().filter(|row| row.event == "refusals_omitted");
    let details = omitted.map(|row| serde_json::from_str::<Value>(row.details.as_deref().unwrap()).unwrap());
    let counts =
        details.filter(|details| details["holder"] == mallory).map(|details| details["count"].as_u64());
    assert_eq!(stored.len() as u64 + counts.map(Option::unwrap).sum::<u64>(), refused as u64);
}

#[actix_web::test]
async fn a_client_that_requests_tokens_too_often_gets_429() {
    let service = Service::with(&FEW).await;
    let (busy, other) =
        (service.create_client("busy", &[], &[]).await, service.create_client("other", &[], &[]).await);
    let grant = async |client| service.post_form_by(client, "/token", "grant_type=client_credentials").await;
    for _ in 0..3 {
        assert_eq!(grant(&busy).await.status, 200);
    }
    assert_too_many(&grant(&busy).await);
    assert_eq!(grant(&other).await.status, 200);
}

#[actix_web::test]
async fn without_limits_a_session_and_a_client_get_as_many_tokens_as_they_request() {
    let service =
        Service::with(&[&FEW[..], &[FEW_OF_ACCOUNT, ("AUTH__LIMITS__ENABLED", "false")]].concat()).await;
    service.register("alice").await;
    let mut tokens = service.login("alice").await;
    let client = service.create_client("busy", &[], &[]).await;
    for _ in 0..10 {
        tokens = service.refresh(&tokens.refresh).await;
        let granted = service.post_form_by(&client, "/token", "grant_type=client_credentials").await;
        assert_eq!(granted.status, 200);
    }
}

#[actix_web::test]
async fn the_first_refresh_of_a_day_is_recorded_once_over_all_replicas() {
    let service = Service::start().await;
    let replica = service.replica().await;
    service.register("alice").await;
    let mut tokens = service.login("alice").await;
    for day in 0..3 {
        for at in [&service, &replica, &service] {
            tokens = at.refresh(&tokens.refresh).await;
        }
        let stale = tokens.refresh.clone();
        tokens = replica.refresh(&stale).await;
        assert_eq!(service.refresh(&stale).await.refresh, tokens.refresh, "a repeat, day {day}");
        service.clock.advance(DAY);
    }
    replica.stop().await;
    let rows = refreshes(&service).await;
    let days: Vec<_> = rows.iter().map(|row| row.occurred_at.div_euclid(24 * 3600)).collect();
    assert_eq!(days.len(), 2, "a login and two later days: {rows:?}");
    assert_ne!(days[0], days[1]);
    assert!(rows.iter().all(|row| row.actor == row.subject && row.session.is_some()), "{rows:?}");
}

#[actix_web::test]
async fn a_day_begins_at_midnight_in_utc() {
    let service = Service::start().await;
    service.register("alice").await;
    // The tests begin at 08:00 UTC.
    service.clock.advance(Duration::from_secs(16 * 3600 - 2));
    let tokens = service.login("alice").await;
    service.clock.advance(Duration::from_secs(1));
    let tokens = service.refresh(&tokens.refresh).await;
    service.clock.advance(Duration::from_secs(1));
    service.refresh(&tokens.refresh).await;
    let rows = refreshes(&service).await;
    assert_eq!(rows.iter().map(|row| row.occurred_at % (24 * 3600)).collect::<Vec<_>>(), [0], "{rows:?}");
}

#[actix_web::test]
async fn a_refresh_from_elsewhere_or_with_another_user_agent_is_always_recorded() {
    for rows in ["first_of_day", "none"] {
        let service = Service::with(&[PROXIED, ("AUTH__AUDIT__REFRESHES", rows)]).await;
        service.register("alice").await;
        let tokens = login_from(&service, "alice", "192.0.2.1", "Firefox").await;
        let same = refresh_from(&service, &tokens, "192.0.2.1", "Firefox").await;
        let moved = refresh_from(&service, &same, "192.0.2.2", "Firefox").await;
        // A repeat of an earlier use, with another user agent.
        refresh_from(&service, &same, "192.0.2.2", "curl").await;
        let other = refresh_from(&service, &moved, "192.0.2.2", "curl").await;
        let both = refresh_from(&service, &other, "192.0.2.3", "Chrome").await;
        refresh_from(&service, &both, "192.0.2.3", "Chrome").await;
        let recorded = refreshes(&service).await;
        let what: Vec<_> = recorded.iter().map(changed).collect();
        let expected = [
            json!(["address"]),
            json!(["user_agent"]),
            json!(["user_agent"]),
            json!(["address", "user_agent"]),
        ];
        assert_eq!(what, expected, "{rows}: {recorded:?}");
        assert_eq!(recorded[0].address.as_deref(), Some("192.0.2.2"), "the new address");
    }
}

#[actix_web::test]
async fn all_refreshes_or_none_are_recorded_where_the_settings_say_so() {
    for (rows, expected) in [("all", 4), ("none", 0)] {
        let service = Service::with(&[("AUTH__AUDIT__REFRESHES", rows)]).await;
        service.register("alice").await;
        let mut tokens = service.login("alice").await;
        for _ in 0..2 {
            for _ in 0..2 {
                tokens = service.refresh(&tokens.refresh).await;
            }
            service.clock.advance(DAY);
        }
        assert_eq!(refreshes(&service).await.len(), expected, "{rows}");
    }
}

#[actix_web::test]
async fn repeatedly_ending_no_other_session_adds_nothing_to_the_trail() {
    let service = Service::start().await;
    service.register("alice").await;
    let (kept, _other) = (service.login_here("alice").await, service.login("alice").await);
    for _ in 0..10 {
        let ended = send(service.request(Method::DELETE, "/me/sessions").bearer_auth(&kept.access)).await;
        assert_eq!(ended.status, 204);
    }
    let rows = trail_to_its_end(&service).await;
    assert_eq!(rows.iter().filter(|row| row.event == "sessions_ended").count(), 1);
}
