//! What a client learns about its attempts.

/// The wrong passwords that are taken for a name or an address from one source, for the client to know. Those for the
/// account's other identifier are left out: they would reveal that both belong to one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How many are free of a wait.
    pub attempts: i64,
    /// Within how many seconds.
    pub window: i64,
    /// How many are left.
    pub left: i64,
    /// In how many seconds there is one more.
    pub next_in: i64,
}
