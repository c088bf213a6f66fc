//! Status list indexes, and the URIs of status lists.

use std::ops::Range;

use shared_claims::claims::{Status, StatusReference};
use shared_claims::verifier::MAX_STATUS_LIST_BYTES;

/// The number of indexes in a list: 16 KiB of bits. Small enough that a change costs little to fetch, and large enough that
/// a request for a list reveals nothing about the users of the verifier. It must never change: every index would refer to
/// another entry.
pub const LIST_SIZE: i64 = 1 << 17;

// A list that does not compress, twice in base64 and with its claims beside, is within what verifiers accept.
const _: () = assert!(LIST_SIZE.unsigned_abs() / 8 * 4 < MAX_STATUS_LIST_BYTES as u64);

/// The index of a session or a client in the status lists. It counts through all lists: list 0 has the first [`LIST_SIZE`]
/// indexes, list 1 the next ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusIndex(i64);

impl From<i64> for StatusIndex {
    /// From the form in which the database stores it.
    fn from(stored: i64) -> Self {
        Self(stored)
    }
}

impl From<StatusIndex> for i64 {
    /// The form in which the database stores it.
    fn from(index: StatusIndex) -> Self {
        index.0
    }
}

impl StatusIndex {
    /// The id of the list that contains this index.
    #[must_use]
    pub fn list(self) -> i64 {
        self.0.div_euclid(LIST_SIZE)
    }

    /// The index within its list: the `idx` of a token.
    #[must_use]
    pub fn idx(self) -> u64 {
        self.0.rem_euclid(LIST_SIZE).unsigned_abs()
    }

    /// The URI of the list that contains this index.
    #[must_use]
    pub fn uri(self, issuer: &str) -> String {
        list_uri(issuer, self.list())
    }

    /// The `status` claim of a token with this index.
    #[must_use]
    pub fn claim(self, issuer: &str) -> Status {
        Status { status_list: StatusReference { idx: self.idx(), uri: self.uri(issuer) } }
    }
}

/// The stored indexes of one list.
pub(in crate::domain) fn indexes_of(list: i64) -> Range<i64> {
    list.saturating_mul(LIST_SIZE)..list.saturating_add(1).saturating_mul(LIST_SIZE)
}

/// The URI of a list, which is also its `sub`.
#[must_use]
pub fn list_uri(issuer: &str, list: i64) -> String {
    format!("{}/{list}", aggregation_uri(issuer))
}

/// The URI of the document that names all lists (section 9 of the draft).
#[must_use]
pub fn aggregation_uri(issuer: &str) -> String {
    format!("{issuer}/status-lists")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_names_its_list_and_its_bit() {
        let found = [0, LIST_SIZE - 1, LIST_SIZE, 3 * LIST_SIZE + 5].map(StatusIndex::from);
        assert_eq!(found.map(StatusIndex::list), [0, 0, 1, 3]);
        assert_eq!(found.map(StatusIndex::idx), [0, LIST_SIZE.unsigned_abs() - 1, 0, 5]);
        assert_eq!(found[3].uri("https://id.example"), "https://id.example/status-lists/3");
        assert!(found.iter().all(|index| indexes_of(index.list()).contains(&i64::from(*index))));
    }
}
