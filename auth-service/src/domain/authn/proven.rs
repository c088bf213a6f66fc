//! Identities that were proven.

use crate::domain::authn::passwords::Arrival;
use crate::store::users::User;

/// A method by which an identity was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A password: `pwd` in the `amr` of RFC 8176.
    Password,
}

/// A proven identity: an account, and the methods by which it was proven. Only the authenticator makes one, and a session
/// begins from nothing else.
#[derive(Debug)]
pub struct Proven {
    user: User,
    methods: Vec<Method>,
    renewed_hash: Option<String>,
    arrival: Arrival,
}

impl Proven {
    pub(super) fn by_password(user: User, renewed_hash: Option<String>, arrival: Arrival) -> Self {
        Self { user, methods: vec![Method::Password], renewed_hash, arrival }
    }

    /// The account, as it was when its password was read.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.user
    }

    /// The methods by which the identity was proven.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// The hash to store in place of the account's, if that is outdated.
    #[must_use]
    pub fn renewed_hash(&self) -> Option<&str> {
        self.renewed_hash.as_deref()
    }

    /// The queue entry under which further hashes of the same request wait.
    #[must_use]
    pub fn arrival(&self) -> Arrival {
        self.arrival
    }
}
