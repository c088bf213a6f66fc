//! What follows a change: after a commit, a refusal, a commit of unknown outcome, and when the caller is gone. What a killed
//! process leaves is tested in `tests/program/faults.rs`.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

use auth_service::app::Services;
use auth_service::domain::audit::{Event, EventKind, Reason, TrailQuery};
use auth_service::domain::change::{Change, ReservedIndex};
use auth_service::store::error::StoreError;

use crate::api::support::Service;

/// A subject that no other event has.
const SUBJECT: &str = "the subject of the test";
/// As many status list indexes as a process leases at once.
const LEASE: usize = 1024;

fn event() -> Event {
    Event::of(EventKind::SessionEnded).to(SUBJECT)
}

/// Returns the outcomes of the recorded events about [`SUBJECT`], with their reasons.
async fn recorded(services: &Services) -> Vec<(String, Option<String>)> {
    services.audit.flush().await;
    let query = TrailQuery { subject: Some(SUBJECT.to_owned()), limit: 100, ..TrailQuery::default() };
    let events = services.trail.list(query).await.unwrap().events;
    events.into_iter().map(|event| (event.outcome, event.reason)).collect()
}

/// Returns the ids of the sessions that have not ended.
fn open_sessions(service: &Service) -> i64 {
    service.count("sessions WHERE ended_at IS NULL")
}

#[actix_web::test]
async fn a_commit_ends_the_session_revokes_its_tokens_publishes_and_records() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let services = service.operator().await;
    let mut published = services.lists.subscribe();
    published.mark_unchanged();
    let id = tokens.claims()["sid"].as_str().unwrap().to_owned();
    let ended = services
        .changes
        .run(move |change: &mut Change<'_>| {
            change.record(event());
            change.record_refusal(event().but(Reason::Overtaken));
            change.end_session(&id)
        })
        .await;
    assert!(ended.unwrap().is_some());
    assert_eq!(open_sessions(&service), 0);
    assert!(service.revokes(&tokens).await, "the revocation is in the same transaction");
    assert_eq!(recorded(&services).await, [("success".to_owned(), None)]);
}

#[actix_web::test]
async fn a_refusal_stores_nothing_records_only_itself_and_returns_the_index() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let services = service.operator().await;
    let id = tokens.claims()["sid"].as_str().unwrap().to_owned();
    let reserved = services.changes.reserve_index().await.unwrap();
    let index = reserved.get().unwrap();
    let refused = services.changes.run(move |change: &mut Change<'_>| {
        change.end_session(&id)?;
        change.record(event());
        change.record_refusal(event().but(Reason::Overtaken));
        change.keep(reserved);
        Err::<(), _>(StoreError::Query("refused on purpose".to_owned()))
    });
    assert!(matches!(refused.await, Err(StoreError::Query(text)) if text == "refused on purpose"));
    assert_eq!(open_sessions(&service), 1);
    assert!(!service.revokes(&tokens).await);
    assert_eq!(recorded(&services).await, [("failure".to_owned(), Some("overtaken".to_owned()))]);
    assert!(rest_of_lease(&services).await.contains(&index), "an index that was not used is given again");
}

#[actix_web::test]
async fn an_index_that_a_commit_keeps_is_given_to_no_other() {
    let service = Service::start().await;
    let services = service.operator().await;
    let reserved = services.changes.reserve_index().await.unwrap();
    let index = reserved.get().unwrap();
    let kept = services.changes.run(move |change: &mut Change<'_>| {
        change.keep(reserved);
        Ok::<_, StoreError>(())
    });
    kept.await.unwrap();
    assert!(!rest_of_lease(&services).await.contains(&index));
}

/// Reserves all indexes that are left of a lease from which one was taken.
async fn rest_of_lease(services: &Services) -> BTreeSet<i64> {
    let (mut indexes, mut reserved) = (BTreeSet::new(), Vec::new());
    for _ in 1..LEASE {
        reserved.push(services.changes.reserve_index().await.unwrap());
    }
    reserved.push(services.changes.reserve_index().await.unwrap());
    indexes.extend(reserved.iter().filter_map(ReservedIndex::get));
    indexes
}

#[actix_web::test]
async fn after_a_commit_of_unknown_outcome_nothing_is_recorded_and_what_was_kept_is_not_given_again() {
    let service = Service::with(&[("AUTH__DATABASE__TIMEOUT", "1s")]).await;
    let tokens = service.register_and_login("alice").await;
    let services = service.operator().await;
    let id = tokens.claims()["sid"].as_str().unwrap().to_owned();
    let reserved = services.changes.reserve_index().await.unwrap();
    let index = reserved.get().unwrap();
    let (go_on, wait) = mpsc::channel();
    let unknown = services.changes.run(move |change: &mut Change<'_>| {
        change.end_session(&id)?;
        change.record(event());
        change.record_refusal(event().but(Reason::Overtaken));
        change.keep(reserved);
        wait.recv().unwrap(); // longer than the caller waits
        Ok(())
    });
    assert!(matches!(unknown.await, Err(StoreError::Unavailable(_))), "the store has not answered in time");
    go_on.send(()).unwrap();
    service
        .wait_until("the transaction is committed all the same", async || open_sessions(&service) == 0)
        .await;
    assert!(service.revokes(&tokens).await, "what was committed is published");
    assert_eq!(recorded(&services).await, []);
    assert!(!rest_of_lease(&services).await.contains(&index));
}

#[actix_web::test]
async fn a_change_goes_on_to_its_end_when_its_caller_is_gone() {
    let service = Service::start().await;
    let tokens = service.register_and_login("alice").await;
    let services = service.operator().await;
    let id = tokens.claims()["sid"].as_str().unwrap().to_owned();
    let (go_on, wait) = mpsc::channel();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let changes = services.changes.clone();
    let caller = actix_web::rt::spawn(async move {
        let end = move |change: &mut Change<'_>| {
            begun.send(()).unwrap();
            wait.recv().unwrap();
            change.record(event());
            change.end_session(&id)
        };
        changes.run(end).await
    });
    tokio::time::timeout(Duration::from_secs(30), has_begun).await.unwrap().unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    go_on.send(()).unwrap();
    service.wait_until("the change is committed", async || open_sessions(&service) == 0).await;
    let is_recorded = async || recorded(&services).await == [("success".to_owned(), None)];
    service.wait_until("it is recorded", is_recorded).await;
}
