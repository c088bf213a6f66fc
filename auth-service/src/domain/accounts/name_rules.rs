//! Rules about names.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::invalid::Invalid;

/// What the operator decided about names.
#[derive(Debug, Clone)]
pub struct NameRules {
    /// How long a name rests; zero for not at all.
    pub rest: Duration,
    /// How many names of one account may rest.
    pub most_resting: u32,
    /// Names that users cannot take, folded.
    pub reserved: BTreeSet<String>,
    /// Whether tokens carry unverified addresses.
    pub unverified_email: bool,
}

impl NameRules {
    /// Refuses a folded user name that only operators give.
    pub(in crate::domain) fn refuse_reserved(&self, username: &str) -> Result<(), Invalid> {
        if !self.reserved.contains(username) {
            return Ok(());
        }
        let message = "This user name is reserved.".to_owned();
        Err(Invalid { field: "username", code: "reserved", message })
    }
}
