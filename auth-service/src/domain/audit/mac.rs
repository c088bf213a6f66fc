//! The MACs of rows and chain heads: HMAC-SHA-256 over an encoding that is unambiguous.

use crate::domain::keyring::{AuditKey, AuditKeys};
use crate::store::audit_events::AuditEvent;
use crate::store::audit_heads::AuditHead;

// Rows and heads have the same key. The label keeps one from passing for the other.
const ROW: &str = "auth-service audit row 1";
const HEAD: &str = "auth-service audit head 1";

/// An encoding with a length before every text, eight bytes for every number, and a flag before every optional value.
struct Encoding(Vec<u8>);

impl Encoding {
    fn of(label: &str) -> Self {
        Self(Vec::with_capacity(512)).text(label)
    }

    fn text(mut self, text: &str) -> Self {
        self.0.extend((text.len() as u64).to_be_bytes());
        self.0.extend(text.as_bytes());
        self
    }

    fn number(mut self, number: i64) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    fn flag(mut self, flag: bool) -> Self {
        self.0.push(u8::from(flag));
        self
    }

    fn optional(self, text: Option<&String>) -> Self {
        let flagged = self.flag(text.is_some());
        match text {
            Some(text) => flagged.text(text),
            None => flagged,
        }
    }
}

/// Returns the MAC of a row. `previous` is the MAC of the row before; empty for the first one.
pub(super) fn row_mac(key: &AuditKey, previous: &str, row: &AuditEvent) -> String {
    key.mac(&encoded_row(previous, row))
}

/// Whether a row has its MAC, and follows a row with the MAC `previous`.
pub(super) fn row_is_genuine(key: &AuditKey, previous: &str, row: &AuditEvent) -> bool {
    key.proves(&encoded_row(previous, row), &row.mac)
}

fn encoded_row(previous: &str, row: &AuditEvent) -> Vec<u8> {
    // Destructured by name, so that a column that is added later cannot be forgotten.
    let AuditEvent {
        chain,
        position,
        occurred_at,
        event,
        outcome,
        reason,
        actor,
        subject,
        session,
        address,
        request_id,
        details,
        mac: _,
    } = row;
    let position_and_time =
        Encoding::of(ROW).text(previous).text(chain).number(*position).number(*occurred_at);
    let what = position_and_time.text(event).text(outcome).optional(reason.as_ref());
    let who = what.optional(actor.as_ref()).optional(subject.as_ref()).optional(session.as_ref());
    who.optional(address.as_ref()).optional(request_id.as_ref()).optional(details.as_ref()).0
}

/// Writes the MAC of a head as it is now.
pub(super) fn sign(key: &AuditKey, head: &mut AuditHead) {
    key.kid().clone_into(&mut head.kid);
    head.signature = key.mac(&encoded_head(head));
}

/// Whether a head has its MAC.
pub(super) fn head_is_genuine(keys: &AuditKeys, head: &AuditHead) -> bool {
    keys.find(&head.kid).is_some_and(|key| key.proves(&encoded_head(head), &head.signature))
}

fn encoded_head(head: &AuditHead) -> Vec<u8> {
    let AuditHead {
        chain,
        number,
        kid,
        position,
        mac,
        first_position,
        first_mac,
        newest,
        predecessor_pruned,
        started_at,
        closed_at,
        signature: _,
    } = head;
    let last = Encoding::of(HEAD).text(chain).number(*number).text(kid).number(*position).text(mac);
    let first = last.number(*first_position).text(first_mac);
    let closed =
        first.number(*newest).flag(*predecessor_pruned).number(*started_at).flag(closed_at.is_some());
    closed.number(closed_at.unwrap_or_default()).0
}
