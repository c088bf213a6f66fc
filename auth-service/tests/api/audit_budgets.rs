//! A flood of refusals neither fills the audit trail nor hides other events.

use auth_service::store::audit_events::AuditEvent;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::audit::trail;
use crate::api::audit_proof::findings;
use crate::api::support::{Credentials, FORM, Service, send};

/// The tests act as a trusted proxy, which names the client's address.
const PROXIED: (&str, &str) = ("AUTH__HTTP__TRUSTED_PROXIES", "127.0.0.1/32");
const FLOODER: &str = "203.0.113.7";
const PROBER: &str = "198.51.100.9";
/// Returns a login with an impossible password, whose refusal costs no hash.
fn free_refusal() -> Value {
    json!({ "username": "alice", "password": "x".repeat(2000) })
}

async fn flood(service: &Service, times: usize, address: &str) {
    for _ in 0..times / 20 {
        let one = || {
            let request = service.request(Method::POST, "/login").header("x-forwarded-for", address);
            send(request.json(&free_refusal()))
        };
        let answers = join_all((0..20).map(|_| one())).await;
        assert!(answers.iter().all(|answer| answer.status == 401));
    }
}

/// Guesses a client's secret; returns the request id.
async fn guess_secret(service: &Service, client: &Credentials, address: &str) -> String {
    let request = service.request(Method::POST, "/token").header("content-type", FORM);
    let request = request.header("x-forwarded-for", address).basic_auth(&client.id, Some("cs_guessed"));
    let answer = send(request.body("grant_type=client_credentials")).await;
    answer.assert_oauth_error(401, "invalid_client");
    answer.header("x-request-id").to_owned()
}

async fn probe_admin(service: &Service, token: &str, address: &str) -> String {
    let request = service.request(Method::GET, "/admin/users").header("x-forwarded-for", address);
    let answer = send(request.bearer_auth(token)).await;
    answer.assert_problem(403, "insufficient_scope");
    answer.header("x-request-id").to_owned()
}

fn details(row: &AuditEvent) -> Value {
    serde_json::from_str(row.details.as_deref().unwrap()).unwrap()
}

/// Returns the details of omitted refusals with this event and reason.
fn omitted(rows: &[AuditEvent], event: &str, reason: &str) -> Vec<Value> {
    let rows = rows.iter().filter(|row| row.event == "refusals_omitted").map(details);
    rows.filter(|details| details["event"] == event && details["reason"] == reason).collect()
}

fn count(omitted: &[Value]) -> usize {
    omitted.iter().map(|details| usize::try_from(details["count"].as_u64().unwrap()).unwrap()).sum()
}

fn stored(rows: &[AuditEvent], reason: &str) -> usize {
    rows.iter().filter(|row| row.reason.as_deref() == Some(reason)).count()
}

/// Stops a service, and returns the trail when every process, including operators, has ended its chain.
pub async fn trail_to_its_end(service: &Service) -> Vec<AuditEvent> {
    service.stop().await;
    let ended = async || service.count("audit_heads WHERE closed_at IS NULL") == 0;
    service.wait_until("every chain has ended", ended).await;
    trail(service, &[]).await
}

/// Does the same for a trail that must verify without findings.
async fn whole_trail(service: &Service) -> Vec<AuditEvent> {
    let rows = trail_to_its_end(service).await;
    assert_eq!(findings(service).await, [""; 0]);
    rows
}

#[actix_web::test]
async fn a_flood_of_free_refusals_hides_no_probing_of_admin_and_of_client_secrets() {
    // Even from one address: each reason has its own budget.
    for prober in [PROBER, FLOODER] {
        let service = Service::with(&[PROXIED]).await;
        service.register("alice").await;
        let user = service.login_here("alice").await;
        let client = service.create_client("billing", &[], &[]).await;
        flood(&service, 400, FLOODER).await;
        let mut probes = Vec::new();
        for round in 0..60 {
            if round % 6 == 0 {
                flood(&service, 40, FLOODER).await;
            }
            probes.push(guess_secret(&service, &client, prober).await);
            probes.push(probe_admin(&service, &user.access, prober).await);
        }
        let rows = whole_trail(&service).await;
        let is_there =
            |probe: &&String| rows.iter().any(|row| row.request_id.as_deref() == Some(probe.as_str()));
        assert_eq!(probes.iter().filter(is_there).count(), 120, "of 120 probes from {prober}");
        let flooded = omitted(&rows, "login", "impossible_password");
        assert_eq!(stored(&rows, "impossible_password") + count(&flooded), 800);
        assert!(stored(&rows, "impossible_password") < 400);
        assert!(flooded.iter().all(|details| details["source"] == FLOODER), "{flooded:?}");
    }
}

#[actix_web::test]
async fn omitted_refusals_leave_a_count_and_a_sample_for_each_source_and_subject() {
    let service = Service::with(&[
        PROXIED,
        ("AUTH__AUDIT__REFUSALS_FROM_SOURCE__BURST", "2"),
        ("AUTH__AUDIT__REFUSALS_FROM_SOURCE__PER_MINUTE", "1"),
    ])
    .await;
    let client = service.create_client("billing", &[], &[]).await;
    let mut unknown = client.clone();
    "client:unknown".clone_into(&mut unknown.id);
    let mut requests = Vec::new();
    for _ in 0..10 {
        requests.push(guess_secret(&service, &client, FLOODER).await);
        guess_secret(&service, &unknown, FLOODER).await;
        guess_secret(&service, &client, "2001:db8:0:7::1").await;
        guess_secret(&service, &client, "2001:db8:0:7::2").await;
    }
    let rows = whole_trail(&service).await;
    let left_out = omitted(&rows, "client_authenticated", "wrong_secret");
    let of = |source: &str| left_out.iter().find(|details| details["source"] == source).unwrap();
    let (v4, v6) = (of(FLOODER), of("2001:db8:0:7::/64"));
    assert_eq!((left_out.len(), &v4["count"], &v6["count"]), (2, &json!(8), &json!(18)));
    assert_eq!(v4["sample"]["subject"], "client:billing");
    assert_eq!(v4["sample"]["address"], FLOODER);
    assert_eq!(v4["sample"]["request_id"], json!(requests[2]), "the first omitted one");
    let since = v4["since"].as_u64().unwrap();
    assert!(since <= v4["until"].as_u64().unwrap() && since == v4["sample"]["occurred_at"].as_u64().unwrap());
    let row = rows.iter().find(|row| row.event == "refusals_omitted" && row.subject.is_some()).unwrap();
    assert_eq!((row.subject.as_deref(), row.actor.as_deref()), (Some("client:billing"), Some("service")));
    assert_eq!(count(&omitted(&rows, "client_authenticated", "unknown_client")), 8);
}

#[actix_web::test]
async fn counts_are_written_at_the_end_of_an_interval_without_any_further_event() {
    let service = Service::with(&[
        ("AUTH__AUDIT__REFUSALS_FROM_SOURCE__BURST", "1"),
        ("AUTH__AUDIT__REFUSALS_INTERVAL", "1s"),
    ])
    .await;
    for _ in 0..5 {
        assert_eq!(service.post("/login", &free_refusal()).await.status, 401);
    }
    trail(&service, &["refusals_omitted"]).await;
}

#[actix_web::test]
async fn refusals_of_one_user_at_admin_are_all_counted_and_hide_no_other_user() {
    let service = Service::with(&[
        ("AUTH__AUDIT__REFUSALS_OF_HOLDER__BURST", "5"),
        ("AUTH__AUDIT__REFUSALS_OF_HOLDER__PER_MINUTE", "1"),
        ("AUTH__AUDIT__FIRST_REFUSALS_OF_HOLDER__BURST", "1"),
    ])
    .await;
    let mallory = service.register("mallory").await["id"].clone();
    service.register("alice").await;
    let (flooding, other) = (service.login_here("mallory").await, service.login_here("alice").await);
    for _ in 0..50 {
        probe_admin(&service, &flooding.access, FLOODER).await;
    }
    let other = probe_admin(&service, &other.access, FLOODER).await;
    let rows = whole_trail(&service).await;
    assert!(rows.iter().any(|row| row.request_id.as_deref() == Some(&other)));
    let left_out = omitted(&rows, "admin_refused", "insufficient_rights");
    assert_eq!(left_out.len(), 1);
    assert_eq!((&left_out[0]["holder"], &left_out[0]["sample"]["actor"]), (&mallory, &mallory));
    assert_eq!(stored(&rows, "insufficient_rights") + count(&left_out), 51);
    assert!(count(&left_out) >= 40);
}

#[actix_web::test]
async fn eight_users_who_flood_admin_do_not_hide_the_first_refusal_of_a_ninth_in_their_network() {
    let service = Service::with(&[
        PROXIED,
        ("AUTH__AUDIT__REFUSALS_OF_HOLDER__BURST", "5"),
        ("AUTH__AUDIT__REFUSALS_OF_HOLDER__PER_MINUTE", "1"),
        ("AUTH__AUDIT__FIRST_REFUSALS_OF_HOLDER__BURST", "10"),
    ])
    .await;
    for number in 0..8 {
        let name = format!("mallory-{number}");
        service.register(&name).await;
        let flooding = service.login_here(&name).await;
        for _ in 0..30 {
            probe_admin(&service, &flooding.access, &format!("203.0.{number}.1")).await;
        }
    }
    let ninth = service.register("alice").await["id"].clone();
    let token = service.login_here("alice").await.access;
    for _ in 0..10 {
        probe_admin(&service, &token, "203.0.113.9").await;
    }
    let rows = whole_trail(&service).await;
    let by_ninth =
        rows.iter().filter(|row| row.event == "admin_refused" && row.actor.as_deref() == ninth.as_str());
    assert_eq!(by_ninth.count(), 10);
    let left_out = omitted(&rows, "admin_refused", "insufficient_rights");
    assert_eq!(stored(&rows, "insufficient_rights") + count(&left_out), 8 * 30 + 10);
    assert!(count(&left_out) >= 100, "{left_out:?}");
}

#[actix_web::test]
async fn the_right_secret_of_a_disabled_client_counts_in_the_budget_of_its_holder_and_not_of_its_source() {
    let service = Service::with(&[
        ("AUTH__AUDIT__REFUSALS_FROM_SOURCE__BURST", "1"),
        ("AUTH__AUDIT__REFUSALS_FROM_SOURCE__PER_MINUTE", "1"),
    ])
    .await;
    let client = service.create_client("billing", &[], &[]).await;
    service.operator().await.clients.set_disabled("billing", true).await.unwrap();
    for _ in 0..10 {
        let answer = service.post_form_by(&client, "/token", "grant_type=client_credentials").await;
        answer.assert_oauth_error(401, "invalid_client");
    }
    let rows = whole_trail(&service).await;
    assert_eq!(
        (stored(&rows, "disabled"), omitted(&rows, "client_authenticated", "disabled").len()),
        (10, 0)
    );
}
