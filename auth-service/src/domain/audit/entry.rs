//! An event of the audit trail, as it is answered and printed.

use serde::Serialize;
use serde_json::Value;

use crate::store::audit_events::AuditEvent;

/// An event as administrators and operators see it. `chain` and `position` say where `auth-service audit verify` finds it.
#[derive(Debug, Serialize)]
pub struct AuditEntry<'a> {
    occurred_at: i64,
    event: &'a str,
    outcome: &'a str,
    reason: Option<&'a str>,
    actor: Option<&'a str>,
    subject: Option<&'a str>,
    session: Option<&'a str>,
    address: Option<&'a str>,
    request_id: Option<&'a str>,
    details: Option<Value>,
    chain: &'a str,
    position: i64,
}

impl<'a> From<&'a AuditEvent> for AuditEntry<'a> {
    fn from(row: &'a AuditEvent) -> Self {
        Self {
            occurred_at: row.occurred_at,
            event: &row.event,
            outcome: &row.outcome,
            reason: row.reason.as_deref(),
            actor: row.actor.as_deref(),
            subject: row.subject.as_deref(),
            session: row.session.as_deref(),
            address: row.address.as_deref(),
            request_id: row.request_id.as_deref(),
            details: row.details.as_deref().and_then(|details| serde_json::from_str(details).ok()),
            chain: &row.chain,
            position: row.position,
        }
    }
}
