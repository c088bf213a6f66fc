//! The proof that a session begins from.

use crate::domain::authn::passwords::Arrival;
use crate::store::users::User;

/// A user who has just proven who they are. Only this folder makes one, where methods are checked.
pub struct Proven {
    user: User,
    renewed_hash: Option<String>,
    arrival: Arrival,
}

impl Proven {
    pub(super) fn new(user: User, renewed_hash: Option<String>, arrival: Arrival) -> Self {
        Self { user, renewed_hash, arrival }
    }

    /// Returns the account as it was when its password was checked.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Returns the password's hash as new hashes are made, if the stored one is to be replaced by it.
    #[must_use]
    pub fn renewed_hash(&self) -> Option<&str> {
        self.renewed_hash.as_deref()
    }

    /// Returns the place in the queue for further hashes of the same request.
    #[must_use]
    pub fn arrival(&self) -> Arrival {
        self.arrival
    }
}
