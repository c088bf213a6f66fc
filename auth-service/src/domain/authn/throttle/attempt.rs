//! An attempt to log in: whose password, under which name, from where.

use crate::domain::authn::passwords::{Arrival, Class};
use crate::domain::authn::source::Source;

/// Whose password is checked.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// An account, by its id, whatever name was sent.
    Account(&'a str),
    /// A name that no account has.
    UnknownName(&'a str),
}

/// An attempt: whose password it is, which name or address was sent, and from where.
#[derive(Debug, Clone, Copy)]
pub(in crate::domain) struct Attempt<'a> {
    pub(in crate::domain) target: Target<'a>,
    /// Folded, where an account can have such a name.
    pub(in crate::domain) identifier: &'a str,
    pub(in crate::domain) source: &'a Source,
}

impl Attempt<'_> {
    /// The entry for the hashing queue. Keyed by what was sent, not by account: otherwise the times of two concurrent requests
    /// would reveal whether a name and an address belong to one account.
    pub(in crate::domain) fn arrival(&self, class: Class) -> Arrival {
        Arrival::new(self.source, self.identifier, class)
    }
}
