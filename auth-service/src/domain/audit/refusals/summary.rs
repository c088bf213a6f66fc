//! Rows about refusals without rows of their own.

use serde_json::json;

use crate::domain::audit::context::Actor;
use crate::domain::audit::event::{EventKind, Reason};
use crate::domain::audit::refusals::group::{Group, shown};
use crate::domain::audit::row::SUCCESS;
use crate::store::audit_events::AuditEvent;

/// What is refused, and why.
pub(super) type What = (EventKind, Reason);

/// Refusals of one group without rows of their own: a count and a sample.
#[derive(Debug)]
pub(super) struct Omitted {
    pub(super) count: u64,
    /// The row that the first of them would have had.
    pub(super) sample: AuditEvent,
    pub(super) last_at: i64,
}

/// Returns one row for a group, with what rows of their own would have said in its `details`.
pub(super) fn summary(what: What, group: &Group, omitted: Omitted, now: i64) -> AuditEvent {
    let (kind, reason) = what;
    let Omitted { count, sample, last_at } = omitted;
    let first = json!({
        "occurred_at": sample.occurred_at,
        "actor": sample.actor,
        "subject": sample.subject,
        "session": sample.session,
        "address": sample.address,
        "request_id": sample.request_id,
    });
    let mut details = json!({
        "count": count,
        "event": kind.as_str(),
        "reason": reason.as_str(),
        "since": sample.occurred_at,
        "until": last_at,
        "sample": first,
    });
    match group {
        Group::Holder(holder, _) => details["holder"] = holder.as_str().into(),
        Group::Source(source, _) => details["source"] = shown(*source).into(),
        Group::Network(network) => details["network"] = network.to_string().into(),
        Group::Others => {}
    }
    let subject = match group {
        Group::Holder(..) => sample.subject,
        Group::Source(_, subject) => subject.clone(),
        Group::Network(_) | Group::Others => None,
    };
    AuditEvent {
        occurred_at: now,
        event: EventKind::RefusalsOmitted.as_str().to_owned(),
        outcome: SUCCESS.to_owned(),
        actor: Some(Actor::Service.to_string()),
        subject,
        details: Some(details.to_string()),
        ..AuditEvent::default()
    }
}
