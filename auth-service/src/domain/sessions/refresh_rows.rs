//! Which refreshes are recorded.

/// For which refreshes the audit trail has a row. One from another address or with another user agent than the last always
/// has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshRows {
    /// For each.
    All,
    /// For the first of each session on a day in UTC. A login is one, too.
    FirstOfDay,
    /// For no other.
    None,
}
