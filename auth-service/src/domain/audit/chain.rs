//! What proves a row and a head: HMAC-SHA-256 over an encoding that can be read in one way only.

use crate::domain::keyring::{AuditKey, AuditKeys};
use crate::store::audit_events::AuditEvent;
use crate::store::audit_heads::AuditHead;

/// Rows and heads are proven by the same key: neither can pass for the other.
const ROW: &str = "auth-service audit row 1";
const HEAD: &str = "auth-service audit head 1";

/// Every text with its length before it, every number in eight bytes, every absence as such.
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
        let there = self.flag(text.is_some());
        match text {
            Some(text) => there.text(text),
            None => there,
        }
    }
}

/// The `mac` of a row behind one with the `mac` `previous`; empty for the first one.
pub(super) fn row_mac(key: &AuditKey, previous: &str, row: &AuditEvent) -> String {
    key.mac(&encoded_row(previous, row))
}

/// Whether a row is as it was written, and stands behind one with the `mac` `previous`.
pub(super) fn row_is_genuine(key: &AuditKey, previous: &str, row: &AuditEvent) -> bool {
    key.proves(&encoded_row(previous, row), &row.mac)
}

fn encoded_row(previous: &str, row: &AuditEvent) -> Vec<u8> {
    // Every column by its name: one that is added later cannot be forgotten.
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
    let place = Encoding::of(ROW).text(previous).text(chain).number(*position).number(*occurred_at);
    let what = place.text(event).text(outcome).optional(reason.as_ref());
    let who = what.optional(actor.as_ref()).optional(subject.as_ref()).optional(session.as_ref());
    who.optional(address.as_ref()).optional(request_id.as_ref()).optional(details.as_ref()).0
}

/// Signs a head as it is now.
pub(super) fn sign(key: &AuditKey, head: &mut AuditHead) {
    key.kid().clone_into(&mut head.kid);
    head.signature = key.mac(&encoded_head(head));
}

/// Whether a head is as its process, or the clean-up, left it.
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
        front,
        started_at,
        closed_at,
        signature: _,
    } = head;
    let stands = Encoding::of(HEAD).text(chain).number(*number).text(kid).number(*position).text(mac);
    let begins = stands.number(*first_position).text(first_mac);
    let closed = begins.number(*newest).flag(*front).number(*started_at).flag(closed_at.is_some());
    closed.number(closed_at.unwrap_or_default()).0
}
