//! A token that has been verified, as a type: whoever holds one need not check anything but rights.

use std::{ops::Deref, sync::Arc};

use crate::{AuthError, Claims, bearer::Realm, guard::Rule};

/// The claims of a verified access token. Only a [`Verifier`](crate::Verifier) makes one.
///
/// Cheap to clone; reads like [`Claims`].
#[derive(Clone, Debug)]
pub struct AccessToken {
    verified: Arc<Verified>,
    verified_at: u64,
}

#[derive(Debug)]
struct Verified {
    claims: Claims,
    realm: Arc<Realm>,
}

impl AccessToken {
    /// `now` is the time at which the claims were found to be good.
    pub(crate) fn new(claims: Claims, realm: &Arc<Realm>, now: u64) -> Self {
        let verified = Arc::new(Verified { claims, realm: Arc::clone(realm) });
        Self { verified, verified_at: now }
    }

    /// When the token was verified, in seconds since 1970 by the verifier's clock: the time at which rules are judged.
    #[must_use]
    pub fn verified_at(&self) -> u64 {
        self.verified_at
    }

    /// Demands a right: `token.require(scope("books:download"))?`. The rules are in [`guard`](crate::guard).
    ///
    /// # Errors
    /// A `403` when the token does not satisfy the rule; a `401` when a new login is all that is missing.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "rules are made where they are asked for, and read as sentences"
    )]
    pub fn require(&self, rule: Rule<'_>) -> Result<(), AuthError> {
        self.allowed_by(&rule)
    }

    pub(crate) fn allowed_by(&self, rule: &Rule<'_>) -> Result<(), AuthError> {
        let allowed = rule.check_at(self, self.verified_at);
        allowed.map_err(|denied| AuthError::new(denied, &self.verified.realm))
    }
}

impl Deref for AccessToken {
    type Target = Claims;

    fn deref(&self) -> &Claims {
        &self.verified.claims
    }
}
