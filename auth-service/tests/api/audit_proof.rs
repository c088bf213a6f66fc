//! Every change that an attacker makes to the audit trail in the database is detected; changes by the service itself are not
//! reported.

use std::time::Duration;

use auth_service::app;
use auth_service::domain::audit::verify::{Checkpoint, Report, verify};
use auth_service::domain::maintenance::MaintenanceRules;
use auth_service::settings::Settings;
use auth_service::store::audit_events::AuditEvent;

use crate::api::audit::trail;
use crate::api::support::Service;

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn check_with(service: &Service, anchors: &[String]) -> Report {
    let operator = service.auditor().await;
    let anchors: Vec<Checkpoint> = anchors.iter().map(|anchor| anchor.parse().unwrap()).collect();
    verify(&operator.store, &operator.keyring.audit_keys(), anchors).await.unwrap()
}

pub async fn findings(service: &Service) -> Vec<String> {
    check_with(service, &[]).await.findings.iter().map(ToString::to_string).collect()
}

/// Returns a stopped service with nine rows in one chain.
pub async fn finished() -> (Service, Vec<AuditEvent>) {
    let service = Service::with(&[("AUTH__AUDIT__REFRESHES", "all")]).await;
    for name in ["alice", "bob"] {
        let tokens = service.register_and_login(name).await;
        service.logout(&service.refresh(&tokens.refresh).await.access).await;
    }
    service.stop().await;
    let rows = trail(&service, &["process_stopped"]).await;
    assert_eq!(findings(&service).await, Vec::<String>::new());
    (service, rows)
}

/// Returns the last row as a checkpoint.
fn checkpoint(rows: &[AuditEvent]) -> String {
    let last = rows.last().unwrap();
    format!("{}:{}:{}", last.chain, last.position, last.mac)
}

#[actix_web::test]
async fn a_change_of_any_column_is_detected_at_its_position() {
    let (service, rows) = finished().await;
    let chain = &rows[0].chain;
    let texts =
        ["event", "outcome", "reason", "actor", "subject", "session", "address", "request_id", "details"];
    let texts = texts.iter().map(|column| (*column, "'x'", "changed, moved"));
    let others = [("mac", "'x'", "changed, moved"), ("occurred_at", "occurred_at + 1", "changed, moved")];
    for (column, value, what) in texts.chain(others) {
        service.run_sql("CREATE TABLE kept AS SELECT * FROM audit_events WHERE position = 4");
        service.run_sql(&format!("UPDATE audit_events SET {column} = {value} WHERE position = 4"));
        let found = findings(&service).await;
        assert_eq!(found.len(), 1, "{column}: {found:?}");
        assert!(found[0].starts_with(&format!("chain {chain}, position 4: {what}")), "{column}: {found:?}");
        service.run_sql(
            "DELETE FROM audit_events WHERE position = 4; INSERT INTO audit_events SELECT * FROM kept; DROP TABLE kept;",
        );
        assert_eq!(findings(&service).await, Vec::<String>::new(), "{column}");
    }
    for (column, value) in [("chain", "'x'"), ("position", "99")] {
        service.run_sql(&format!("UPDATE audit_events SET {column} = {value} WHERE position = 4"));
        let found = findings(&service).await;
        assert!(found.iter().any(|line| line.contains("position 4: missing")), "{column}: {found:?}");
        assert_eq!(found.len(), 2, "{column}: {found:?}");
        let back =
            format!("UPDATE audit_events SET chain = '{chain}', position = 4 WHERE {column} = {value}");
        service.run_sql(&back);
    }
    for column in ["mac", "first_mac", "kid", "signature", "chain"] {
        service.run_sql("CREATE TABLE kept AS SELECT * FROM audit_heads");
        service.run_sql(&format!("UPDATE audit_heads SET {column} = 'x'"));
        assert!(!findings(&service).await.is_empty(), "{column}");
        service
            .run_sql("DELETE FROM audit_heads; INSERT INTO audit_heads SELECT * FROM kept; DROP TABLE kept;");
    }
    service.run_sql("UPDATE audit_heads SET front = NOT front");
    assert!(!findings(&service).await.is_empty(), "front");
    service.run_sql("UPDATE audit_heads SET front = NOT front");
    for column in ["number", "position", "first_position", "newest", "started_at", "closed_at"] {
        service.run_sql(&format!("UPDATE audit_heads SET {column} = {column} + 1"));
        assert!(!findings(&service).await.is_empty(), "{column}");
        service.run_sql(&format!("UPDATE audit_heads SET {column} = {column} - 1"));
    }
    assert_eq!(findings(&service).await, Vec::<String>::new());
}

#[actix_web::test]
async fn missing_and_moved_rows_are_detected_at_every_position() {
    let rows: [(&str, &[&str]); 6] = [
        ("DELETE FROM audit_events WHERE position = 1", &["position 1: missing"]),
        ("DELETE FROM audit_events WHERE position = 3 OR position = 4", &["positions 3 to 4: missing"]),
        ("DELETE FROM audit_events WHERE event = 'process_stopped'", &["missing"]),
        (
            "UPDATE audit_events SET position = -1 WHERE position = 3;
             UPDATE audit_events SET position = 3 WHERE position = 4;
             UPDATE audit_events SET position = 4 WHERE position = -1",
            &["positions 3 to 5: changed, moved"], // the fifth row's MAC covers the fourth
        ),
        ("DELETE FROM audit_events", &["missing"]),
        ("DELETE FROM audit_heads", &["its head is missing", "number 1: the whole chain is missing"]),
    ];
    for (sql, expected) in rows {
        let (service, _) = finished().await;
        service.run_sql(sql);
        let found = findings(&service).await;
        assert_eq!(found.len(), expected.len(), "{sql}: {found:?}");
        assert!(found.iter().zip(expected).all(|(line, what)| line.contains(what)), "{sql}: {found:?}");
    }
}

#[actix_web::test]
async fn a_chain_that_is_set_back_or_deleted_is_detected() {
    let service = Service::start().await;
    service.register("alice").await;
    trail(&service, &["account_registered"]).await;
    service.run_sql("CREATE TABLE old_head AS SELECT * FROM audit_heads");
    service.register_and_login("bob").await;
    service.stop().await;
    let rows = trail(&service, &["process_stopped"]).await;
    let (first, service) = (rows[0].chain.clone(), service.restart(&[]).await);
    service.login("alice").await;
    service.stop().await;
    service
        .wait_until("the second chain is closed", async || {
            service.count("audit_heads WHERE closed_at > 0") == 2
        })
        .await;
    assert_eq!(findings(&service).await, Vec::<String>::new());
    service.run_sql(
        "CREATE TABLE heads AS SELECT * FROM audit_heads; CREATE TABLE events AS SELECT * FROM audit_events",
    );
    let restore = "DELETE FROM audit_heads; INSERT INTO audit_heads SELECT * FROM heads;
                   DELETE FROM audit_events; INSERT INTO audit_events SELECT * FROM events";
    // The head alone.
    service
        .run_sql("DELETE FROM audit_heads WHERE number = 1; INSERT INTO audit_heads SELECT * FROM old_head");
    let found = findings(&service).await;
    assert!(found.iter().any(|line| line.contains("its head was set back")), "{found:?}");
    // The head and the rows: another chain has a checkpoint of it.
    service.run_sql(&format!(
        "DELETE FROM audit_events WHERE chain = '{first}' AND position > (SELECT position FROM old_head)"
    ));
    let found = findings(&service).await;
    assert!(found.len() == 1 && found[0].contains("the anchor does not hold"), "{found:?}");
    service.run_sql(restore);
    assert_eq!(findings(&service).await, Vec::<String>::new());
    // One whole chain.
    service.run_sql(&format!(
        "DELETE FROM audit_heads WHERE number = 1; DELETE FROM audit_events WHERE chain = '{first}'"
    ));
    let found = findings(&service).await;
    assert!(found.iter().any(|line| line.contains("number 1: the whole chain is missing")), "{found:?}");
    service.run_sql(restore);
    // All chains: a key without any rows is left, and a checkpoint that was stored elsewhere.
    let anchors = [checkpoint(&rows)];
    assert_eq!(check_with(&service, &anchors).await.findings, vec![]);
    service.run_sql("DELETE FROM audit_heads; DELETE FROM audit_events");
    assert_eq!(check_with(&service, &anchors).await.findings.len(), 2);
}

#[actix_web::test]
async fn a_chain_that_is_rebuilt_with_another_key_is_detected() {
    let (service, _) = finished().await;
    let (stranger, rows) = finished().await;
    // Rows and heads of another service, whose key is sealed with another master key.
    let values = |row: &AuditEvent| {
        let text =
            |value: &Option<String>| value.as_ref().map_or("NULL".to_owned(), |text| format!("'{text}'"));
        format!(
            "('{}', {}, {}, '{}', '{}', {}, {}, {}, {}, {}, {}, {}, '{}')",
            row.chain,
            row.position,
            row.occurred_at,
            row.event,
            row.outcome,
            text(&row.reason),
            text(&row.actor),
            text(&row.subject),
            text(&row.session),
            text(&row.address),
            text(&row.request_id),
            text(&row.details),
            row.mac
        )
    };
    let values: Vec<_> = rows.iter().map(values).collect();
    let last = rows.last().unwrap();
    service.run_sql(&format!(
        "DELETE FROM audit_events; INSERT INTO audit_events VALUES {};
         UPDATE audit_heads SET chain = '{}', position = {}, mac = '{}'",
        values.join(", "),
        last.chain,
        last.position,
        last.mac
    ));
    let found = findings(&service).await;
    let all = format!("positions 1 to {}: changed, moved, or made without the key", rows.len());
    assert!(found.len() == 2 && found[0].contains(&all), "{found:?}");
    assert!(found[1].contains("its head was changed, or made without the key"), "{found:?}");
    drop(stranger);
}

#[actix_web::test]
async fn the_trail_verifies_while_replicas_write_to_it() {
    let one = Service::with(&[("AUTH__LIMITS__WAITING_PER_ACCOUNT", "60")]).await;
    let other = one.replica().await;
    one.register("alice").await;
    let operator = one.operator().await;
    for round in 0..4 {
        let logins = (0..20).map(|number| if number % 2 == 0 { &one } else { &other }.login("alice"));
        let checks = async {
            let report = verify(&operator.store, &operator.keyring.audit_keys(), vec![]).await.unwrap();
            assert_eq!(report.findings, vec![], "{round}");
        };
        futures_util::future::join(futures_util::future::join_all(logins), checks).await;
    }
    one.stop().await;
    other.stop().await;
    one.wait_until("both are closed", async || one.count("audit_heads WHERE closed_at > 0") == 2).await;
    assert_eq!(one.count("audit_events WHERE event = 'login' AND outcome = 'success'"), 80);
    let report = check_with(&one, &[]).await;
    assert_eq!((report.chains, report.findings, report.remarks), (2, vec![], vec![]));
}

#[actix_web::test]
async fn a_running_process_notices_changes_to_its_chain() {
    let service = Service::start().await;
    service.register("alice").await;
    trail(&service, &["account_registered"]).await;
    service.run_sql(
        "DELETE FROM audit_events WHERE event = 'account_registered'; UPDATE audit_heads SET position = 1",
    );
    // A trail that was set back looks like a database that was set back.
    service.wait_until("the change is noticed", async || service.get("/readyz").await.status == 503).await;
    let settings = Settings::load(&service.variables).unwrap();
    app::recover(&settings, service.clock.clock()).await.unwrap();
    service.wait_until("it is ready again", async || service.get("/readyz").await.status == 200).await;
    service.login("alice").await;
    let rows = trail(&service, &["login"]).await;
    assert!(rows.iter().any(|row| row.event == "audit_disturbed"), "{rows:?}");
    let found = findings(&service).await;
    assert!(found.iter().any(|line| line.contains("its head was changed")), "{found:?}");
    assert!(found.iter().any(|line| line.contains("the anchor does not hold")), "{found:?}");
}

#[actix_web::test]
async fn a_row_inserted_at_the_next_position_does_not_block_the_next_event() {
    let service = Service::start().await;
    service.register("alice").await;
    let rows = trail(&service, &["account_registered"]).await;
    service.run_sql(&format!(
        "INSERT INTO audit_events (chain, position, occurred_at, event, outcome, mac)
         VALUES ('{}', {}, 1, 'login', 'success', 'x')",
        rows[0].chain,
        rows.last().unwrap().position + 1
    ));
    let found = findings(&service).await;
    assert!(found.len() == 1 && found[0].contains("stands behind the end of the chain"), "{found:?}");
    let tokens = service.login("alice").await;
    service.logout(&tokens.access).await;
    let rows = trail(&service, &["logout"]).await;
    assert!(rows.iter().any(|row| row.event == "audit_disturbed"), "{rows:?}");
    assert!(rows.iter().any(|row| row.event == "login" && row.mac != "x"), "{rows:?}");
}

#[actix_web::test]
async fn old_rows_are_deleted_and_the_rest_still_verifies() {
    let service = Service::with(&[("AUTH__CLEANUP__INTERVAL", "24h")]).await;
    service.register("alice").await;
    service.stop().await;
    let old = trail(&service, &["process_stopped"]).await;
    let service = service.restart(&[]).await;
    service.login("alice").await;
    trail(&service, &["login"]).await;
    service.clock.advance(300 * DAY);
    service.register("bob").await;
    let rows = trail(&service, &["account_registered"]).await;
    service
        .wait_until("bob's registration is in the trail", async || {
            service.count("audit_events WHERE event = 'account_registered'") == 2
        })
        .await;
    let operator = service.operator().await;
    service.clock.advance(101 * DAY + Duration::from_secs(1)); // a day longer than rows are kept
    let rules = MaintenanceRules {
        poll_interval: DAY,
        clean_up: DAY,
        keep_ended: DAY,
        batch_size: 2,
        keep_audit: 400 * DAY,
    };
    operator.maintenance.clean_up(rules).await.unwrap();
    let kept = trail(&service, &["audit_pruned"]).await;
    assert!(kept.iter().all(|row| row.occurred_at > 1_800_000_000), "{kept:?}");
    assert!(kept.iter().any(|row| row.event == "account_registered"), "bob");
    let report = check_with(&service, &[checkpoint(&old), checkpoint(&rows[..1])]).await;
    assert_eq!(
        (report.findings, report.remarks.iter().filter(|text| text.contains("anchor")).count()),
        (vec![], 2)
    );
    // The same deletion without the key is detected.
    service.register("carl").await;
    service
        .wait_until("carl's registration is in the trail", async || {
            service.count("audit_events WHERE event = 'account_registered'") == 2
        })
        .await;
    service.run_sql(
        "DELETE FROM audit_events WHERE event = 'account_registered' AND position < 6 AND chain IN
            (SELECT chain FROM audit_heads WHERE first_position > 1);
         UPDATE audit_heads SET first_position = first_position + 1 WHERE first_position > 1",
    );
    let found = findings(&service).await;
    assert!(found.iter().any(|line| line.contains("its head was changed")), "{found:?}");
}

#[actix_web::test]
async fn a_row_that_was_made_to_look_old_is_not_deleted() {
    let (service, rows) = finished().await;
    service.run_sql("UPDATE audit_events SET occurred_at = 1 WHERE position < 5");
    let operator = service.operator().await;
    assert_eq!(operator.trail.prune(1_000_000, 10).await.unwrap(), 0);
    assert_eq!(usize::try_from(service.count("audit_events")).unwrap(), rows.len());
    assert!(findings(&service).await[0].contains("positions 1 to 4: changed"));
}
