//! What verifiers are told.

use std::collections::BTreeMap;

/// The published revisions: of the key set, and of each status list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revisions {
    /// Rises when the key set changes.
    pub keys: i64,
    /// The revision of each list, by its id.
    pub lists: BTreeMap<i64, i64>,
}
