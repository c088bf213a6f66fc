//! Tests of the budgets of refusals, and of what is stored about refusals beyond them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::audit::context::AuditContext;
use crate::domain::audit::event::{Event, EventKind, Reason};
use crate::domain::audit::refusals::budgets::{RefusalRules, Refusals};
use crate::domain::audit::refusals::group::{GROUPS, GROUPS_OF_NETWORK};
use crate::domain::rate::Rate;
use crate::store::audit_events::AuditEvent;

const RULES: RefusalRules = RefusalRules {
    per_second: 1000,
    from_source: Rate { at_once: 10, per_minute: 1 },
    of_holder: Rate { at_once: 20, per_minute: 1 },
    first_of_holder: Rate { at_once: 5, per_minute: 1 },
    interval: Duration::from_secs(60),
};

fn from(address: &str) -> AuditContext {
    AuditContext::request(Some(address.to_owned()), None)
}

fn probe() -> Event {
    Event::refused(EventKind::ClientAuthenticated, Reason::WrongSecret).to("client:billing")
}

/// How many of so many events are admitted.
fn admitted(refusals: &Refusals, times: usize, event: &Event, context: &AuditContext) -> usize {
    (0..times).filter(|_| refusals.admit(event, context, 1000)).count()
}

fn details(rows: &[AuditEvent]) -> Vec<Value> {
    rows.iter().map(|row| serde_json::from_str(row.details.as_deref().unwrap()).unwrap()).collect()
}

fn count(details: &[Value]) -> u64 {
    details.iter().map(|details| details["count"].as_u64().unwrap()).sum()
}

#[test]
fn a_flood_hides_neither_another_reason_nor_another_source_and_leaves_a_sample_and_a_count() {
    let refusals = Refusals::new(&RULES);
    let flood = Event::refused(EventKind::Login, Reason::TooManyAttempts);
    assert_eq!(admitted(&refusals, 5000, &flood, &from("192.0.2.1")), 10);
    assert_eq!(admitted(&refusals, 10, &probe(), &from("192.0.2.1")), 10, "another reason");
    assert_eq!(admitted(&refusals, 10, &flood, &from("192.0.2.2")), 10, "another source");
    let rows = refusals.take(1234);
    assert_eq!((rows.len(), rows[0].event.as_str(), rows[0].occurred_at), (1, "refusals_omitted", 1234));
    let details = details(&rows);
    assert_eq!(details[0]["count"], 4990);
    assert_eq!(
        (&details[0]["event"], &details[0]["reason"], &details[0]["source"]),
        (&json!("login"), &json!("too_many_attempts"), &json!("192.0.2.1"))
    );
    assert_eq!(refusals.take(1234), [], "it was told");
}

#[test]
fn a_flood_from_all_of_a_network_hides_no_other_network() {
    // As by default: sources share places, so a flood from 131,072 of them takes some of each.
    let refusals =
        Refusals::new(&RefusalRules { from_source: Rate { at_once: 100, per_minute: 1 }, ..RULES });
    let mut stored = 0;
    for number in 0..65_536 {
        stored += admitted(&refusals, 1, &probe(), &from(&format!("2001:db8:1:{number:x}::1")));
        let v4 = format!("198.51.{}.{}", number >> 8, number & 255);
        stored += admitted(&refusals, 1, &probe(), &from(&v4));
    }
    let mut left_out = Vec::new();
    for elsewhere in ["2001:db8:2::1", "198.52.0.1"] {
        assert_eq!(admitted(&refusals, 60, &probe(), &from(elsewhere)), 60, "{elsewhere}");
        // Not even its count is hidden, nor whose secret was guessed.
        let more = admitted(&refusals, 200, &probe(), &from(elsewhere));
        left_out.push(json!(200 - more));
        stored += 60 + more;
    }
    let rows = refusals.take(1000);
    assert_eq!(rows.len(), 2 * (GROUPS_OF_NETWORK + 1) + 2);
    assert_eq!(count(&details(&rows)), (2 * 65_536 + 2 * 260 - stored) as u64);
    let of = |name: &str, value: &str| {
        let found = details(&rows).into_iter().find(|details| details[name] == value);
        found.unwrap_or_else(|| panic!("no {name} {value}"))
    };
    assert_eq!(of("source", "2001:db8:2::/64")["count"], left_out[0]);
    assert_eq!(of("source", "198.52.0.1")["count"], left_out[1]);
    assert_eq!(of("source", "198.52.0.1")["sample"]["subject"], "client:billing");
    of("network", "198.51.0.0/16");
    of("network", "2001:db8:1::/48");
}

#[test]
fn what_needed_a_credential_is_counted_by_its_holder_and_not_by_where_it_came_from() {
    let refusals = Refusals::new(&RULES);
    let (origin, event) =
        (from("192.0.2.1"), Event::refused(EventKind::AdminRefused, Reason::InsufficientRights));
    let by = |holder: &str| event.clone().by_holder_of(holder);
    assert_eq!(admitted(&refusals, 500, &by("mallory"), &origin), 25);
    assert_eq!(admitted(&refusals, 25, &by("alice"), &origin), 25);
    let details = details(&refusals.take(1000));
    assert_eq!((&details[0]["holder"], &details[0]["count"]), (&json!("mallory"), &json!(475)));
}

#[test]
fn the_first_refusals_of_an_account_find_room_whatever_others_in_its_network_do() {
    let refusals = Refusals::new(&RULES);
    let refused = |kind, reason| Event::refused(kind, reason);
    let by = |holder: &str| refused(EventKind::AdminRefused, Reason::InsufficientRights).by_holder_of(holder);
    for number in 0..8 {
        admitted(&refusals, 500, &by(&format!("mallory-{number}")), &from(&format!("192.0.{number}.1")));
    }
    assert_eq!(admitted(&refusals, 500, &by("alice"), &from("192.0.9.1")), 5);
    // Any number of sessions can be had for one account.
    let of_session =
        |session: String| refused(EventKind::TokenRefreshed, Reason::TooManyRequests).in_session(session);
    let of_sessions =
        (0..1000).map(|number| admitted(&refusals, 1, &of_session(number.to_string()), &from("192.0.2.1")));
    assert_eq!(of_sessions.sum::<usize>(), 80, "what their network may");
}

#[test]
fn what_costs_a_hash_or_a_session_is_always_stored() {
    let refusals = Refusals::new(&RULES);
    let events = [
        Event::refused(EventKind::Login, Reason::WrongPassword),
        Event::refused(EventKind::Login, Reason::UnknownUser),
        Event::refused(EventKind::Login, Reason::Disabled),
        Event::refused(EventKind::RefreshReused, Reason::Replayed).in_session("a"),
    ];
    for event in events {
        assert_eq!(admitted(&refusals, 1000, &event, &from("192.0.2.1")), 1000, "{event:?}");
    }
    assert_eq!(refusals.take(1000), []);
}

#[test]
fn whatever_comes_from_everywhere_takes_a_bounded_number_of_rows() {
    let refusals = Refusals::new(&RefusalRules { per_second: 1, ..RULES });
    for number in 0..100_000_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        refusals.admit(&probe(), &from(&format!("{}.{c}.{b}.{a}", 1 + number % 200)), 1000);
    }
    let rows = refusals.take(1000);
    assert!(rows.len() <= GROUPS + 1, "{}", rows.len());
    assert!(count(&details(&rows)) > 99_000);
}
