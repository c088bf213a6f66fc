//! Identifiers and times, as the database stores them.

use uuid::Uuid;

/// Returns a new identifier: `UUIDv7` (RFC 9562 section 5.7), so that ids sort by their time.
#[expect(clippy::disallowed_methods, reason = "the one place of this service that makes identifiers")]
pub(super) fn new_id() -> String {
    Uuid::now_v7().to_string()
}

/// Returns unix seconds, as the database stores them.
pub(super) fn seconds(now: u64) -> i64 {
    i64::try_from(now).unwrap_or(i64::MAX)
}
