//! What a database says about itself.

use crate::store::issuance::Issuance;

/// What the database says about itself at one moment.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What all replicas agree on.
    pub issuance: Issuance,
    /// Every status list that is published, and its revision.
    pub lists: Vec<(i64, i64)>,
    /// The highest number of a chain of the audit trail, 0 without one; higher than any when no chain was missing.
    pub(super) newest_chain: i64,
    /// Number and position of the chains that were asked for.
    pub(super) heads: Vec<(String, i64, i64)>,
}
