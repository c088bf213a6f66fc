//! Elaborate attacks on the audit trail: deleted chains, forged heads, changed keys, values of wrong types.

use auth_service::app;
use auth_service::settings::Settings;

use crate::DATABASE;
use crate::api::audit::trail;
use crate::api::audit_proof::{findings, finished};
use crate::api::support::Service;
use crate::database::Database;

#[actix_web::test]
async fn a_deleted_newest_chain_is_detected_from_the_other_chains() {
    let service = Service::start().await;
    let replica = service.replica().await;
    replica.register("alice").await;
    replica.stop().await;
    trail(&service, &["process_stopped"]).await;
    service.login("alice").await;
    trail(&service, &["login"]).await;
    service.run_sql(
        "DELETE FROM audit_events WHERE chain = (SELECT chain FROM audit_heads WHERE number = 2);
         DELETE FROM audit_heads WHERE number = 2",
    );
    assert_eq!(findings(&service).await, ["chain number 2: the whole chain is missing"]);
    // Neither further events nor a process that starts now fill the gap.
    service.login("alice").await;
    service
        .wait_until("the second login is in the trail", async || {
            service.count("audit_events WHERE event = 'login'") == 2
        })
        .await;
    assert_eq!(findings(&service).await, ["chain number 2: the whole chain is missing"]);
    let another = service.replica().await;
    another.login("alice").await;
    service.wait_until("its chain has begun", async || service.count("audit_heads") == 2).await;
    assert_eq!(findings(&service).await, ["chain number 2: the whole chain is missing"]);
}

/// Copies the head of the first chain under another name and number.
fn forge(service: &Service, number: i64) {
    service.run_sql(&format!(
        "INSERT INTO audit_heads SELECT 'forged {number}', {number}, kid, position, mac, first_position, first_mac,
         newest, front, started_at, closed_at, signature FROM audit_heads WHERE number = 1"
    ));
}

#[actix_web::test]
async fn a_forged_chain_number_does_not_keep_a_process_from_beginning_its_chain() {
    let (service, rows) = finished().await;
    let forged = [2, 1_000_000_000_000_000, i64::MAX];
    for number in forged {
        forge(&service, number);
    }
    let replica = service.replica().await;
    replica.login("alice").await;
    service
        .wait_until("its chain has begun", async || service.count("audit_heads WHERE number = 3") == 1)
        .await;
    replica.stop().await;
    let found = findings(&service).await;
    let all = format!("positions 1 to {}: missing", rows.len());
    for number in forged {
        assert!(found.contains(&format!("chain forged {number}, {all}")), "{found:?}");
    }
    assert_eq!(found.len(), 2 * forged.len(), "{found:?}");
    // An attacker who makes room for a chain that never existed is detected as well.
    service.run_sql("DELETE FROM audit_heads WHERE chain LIKE 'forged%'");
    assert_eq!(findings(&service).await, ["chain number 2: the whole chain is missing"]);
}

#[actix_web::test]
async fn adjacent_missing_chains_are_one_finding() {
    let service = Service::start().await;
    for _ in 0..4 {
        service.replica().await.stop().await;
    }
    service
        .wait_until("four are closed", async || service.count("audit_heads WHERE closed_at > 0") == 4)
        .await;
    service.run_sql(
        "DELETE FROM audit_events WHERE chain IN (SELECT chain FROM audit_heads WHERE number IN (2, 3))",
    );
    service.run_sql("DELETE FROM audit_heads WHERE number IN (2, 3)");
    let found = findings(&service).await;
    assert!(found.contains(&"chain numbers 2 to 3: the whole chains are missing".to_owned()), "{found:?}");
}

#[actix_web::test]
async fn rows_inserted_before_the_beginning_are_detected() {
    let (service, rows) = finished().await;
    let chain = &rows[0].chain;
    forge(&service, i64::MIN);
    for chain in [chain, "stray"] {
        service.run_sql(&format!(
            "INSERT INTO audit_events (chain, position, occurred_at, event, outcome, mac)
             VALUES ('{chain}', {}, 1, 'login', 'success', 'x')",
            i64::MIN
        ));
    }
    let found = findings(&service).await;
    let has = |chain: &str, what: &str| {
        found.iter().any(|line| line.starts_with(&format!("chain {chain}")) && line.contains(what))
    };
    assert!(has(chain, "stands before the beginning"), "{found:?}");
    assert!(has("stray", "its head is missing"), "{found:?}");
    assert!(has(&format!("forged {}", i64::MIN), "its head was changed"), "{found:?}");
}

#[actix_web::test]
async fn a_cut_off_tail_of_an_ended_chain_is_detected_from_running_chains() {
    let service = Service::start().await;
    service.register("alice").await;
    let running = service.replica_with(&[("AUTH__AUDIT__ANCHOR", "1s")]).await;
    service.run_sql("CREATE TABLE old_head AS SELECT * FROM audit_heads WHERE number = 1");
    service.login("alice").await;
    service.stop().await;
    let rows = trail(&service, &["login", "process_stopped"]).await;
    let end = rows.iter().find(|row| row.event == "process_stopped").unwrap();
    let head = format!("{}:{}:{}", end.chain, end.position, end.mac);
    let recorded = format!("audit_events WHERE event = 'heads_seen' AND details LIKE '%{head}%'");
    running.wait_until("it has seen the end", async || running.count(&recorded) == 1).await;
    assert_eq!(findings(&service).await, Vec::<String>::new());
    // The head and the rows up to it are genuine.
    service.run_sql(&format!(
        "DELETE FROM audit_heads WHERE number = 1; INSERT INTO audit_heads SELECT * FROM old_head;
         DELETE FROM audit_events WHERE chain = '{}' AND position > (SELECT position FROM old_head)",
        end.chain
    ));
    let found = findings(&service).await;
    assert!(found.len() == 1 && found[0].contains("the anchor does not hold"), "{found:?}");
}

#[actix_web::test]
async fn a_starting_process_records_the_head_of_every_chain_that_runs_or_ended_since_the_last_start() {
    let service = Service::start().await;
    let replica = service.replica().await;
    service.register_and_login("alice").await;
    let rows = trail(&service, &["login"]).await;
    service.run_sql("CREATE TABLE old_head AS SELECT * FROM audit_heads WHERE number = 1");
    service.login("alice").await;
    service.stop().await;
    trail(&service, &["process_stopped"]).await;
    replica.stop().await;
    service
        .wait_until("both are closed", async || service.count("audit_heads WHERE closed_at > 0") == 2)
        .await;
    service.replica().await.stop().await;
    service
        .wait_until("all are closed", async || service.count("audit_heads WHERE closed_at > 0") == 3)
        .await;
    service.run_sql(&format!(
        "DELETE FROM audit_heads WHERE number = 1; INSERT INTO audit_heads SELECT * FROM old_head;
         DELETE FROM audit_events WHERE chain = '{}' AND position > (SELECT position FROM old_head)",
        rows.iter().find(|row| row.event == "login").unwrap().chain
    ));
    let found = findings(&service).await;
    assert!(found.len() == 1 && found[0].contains("the anchor does not hold"), "{found:?}");
}

#[actix_web::test]
async fn a_changed_audit_key_is_not_taken_for_a_lost_one() {
    let (service, rows) = finished().await;
    service.run_sql("UPDATE keys SET created_at = created_at + 1 WHERE purpose = 'audit'");
    let settings = Settings::load(&service.variables).unwrap();
    app::recover(&settings, service.clock.clock()).await.unwrap();
    let found = findings(&service).await;
    assert!(found.contains(&format!("chain {}: its key is not there", rows[0].chain)), "{found:?}");
    assert!(
        found.iter().any(|line| line.contains("a recovery found keys of the trail changed")),
        "{found:?}"
    );
    assert_eq!(found.len(), 2, "{found:?}");
    // With the original key restored, its rows verify again.
    service
        .run_sql("UPDATE keys SET created_at = created_at - 1 WHERE purpose = 'audit' AND active_from = 0");
    let found = findings(&service).await;
    assert!(found.len() == 1 && found[0].contains("a recovery found keys of the trail changed"), "{found:?}");
}

#[actix_web::test]
async fn a_value_of_the_wrong_type_is_detected_where_the_database_accepts_it() {
    if DATABASE != Database::Sqlite {
        return; // its columns are strictly typed
    }
    let events = ["chain", "event", "subject", "session", "address", "mac"];
    let heads = ["chain", "kid", "signature"];
    let columns = events.iter().map(|column| ("audit_events", column, "a row has values of wrong types"));
    let columns = columns.chain(heads.iter().map(|column| ("audit_heads", column, "its head has values")));
    let (service, _) = finished().await;
    for (table, column, what) in columns {
        service.run_sql(&format!("CREATE TABLE kept AS SELECT * FROM {table}"));
        let somewhere = format!(
            "{column} IS NOT NULL AND rowid = (SELECT max(rowid) FROM {table} WHERE {column} IS NOT NULL)"
        );
        service.run_sql(&format!("UPDATE {table} SET {column} = CAST({column} AS BLOB) WHERE {somewhere}"));
        let found = findings(&service).await;
        assert!(found.iter().any(|line| line.contains(what)), "{table}.{column}: {found:?}");
        service.run_sql(&format!(
            "DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept; DROP TABLE kept"
        ));
        assert_eq!(findings(&service).await, Vec::<String>::new(), "{table}.{column}");
    }
    for sql in
        ["UPDATE audit_heads SET number = 'x'", "UPDATE audit_events SET position = 1.5 WHERE position = 1"]
    {
        service.run_sql(sql);
        let found = findings(&service).await;
        assert!(found[0].contains("of wrong types"), "{sql}: {found:?}");
    }
}
