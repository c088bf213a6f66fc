//! Events as rows.

use serde_json::Value;

use crate::domain::audit::context::AuditContext;
use crate::domain::audit::event::Event;
use crate::store::audit_events::AuditEvent;

pub(super) const SUCCESS: &str = "success";
const FAILURE: &str = "failure";

/// Converts an event into a row, with the caller's audit context. The row has no place in a chain yet.
pub(super) fn row_of(event: Event, now: i64) -> AuditEvent {
    let Event { kind, reason, subject, session, details, .. } = event;
    let context = AuditContext::current();
    AuditEvent {
        occurred_at: now,
        event: kind.as_str().to_owned(),
        outcome: if reason.is_some() { FAILURE } else { SUCCESS }.to_owned(),
        reason: reason.map(|reason| reason.as_str().to_owned()),
        actor: context.actor(),
        subject,
        session,
        address: context.address.clone(),
        request_id: context.request_id.clone(),
        details: (!details.is_empty()).then(|| Value::Object(details).to_string()),
        ..AuditEvent::default()
    }
}
