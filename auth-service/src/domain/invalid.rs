//! A value that breaks a rule.

/// One value of the user's that breaks a rule; `field` is its name in the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The member's name.
    pub field: &'static str,
    /// Stable and machine-readable.
    pub code: &'static str,
    /// One sentence for a person.
    pub message: String,
}
