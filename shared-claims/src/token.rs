//! A token that has been verified, as a type: whoever holds one need not check anything but rights.

use std::{ops::Deref, sync::Arc};

use crate::{AuthError, Claims, guard::Rule};

/// The claims of a verified access token. Only a [`Verifier`](crate::Verifier) makes one.
///
/// Cheap to clone; reads like [`Claims`].
#[derive(Clone, Debug)]
pub struct AccessToken(Arc<Verified>);

#[derive(Debug)]
struct Verified {
    claims: Claims,
    realm: Arc<str>,
}

impl AccessToken {
    pub(crate) fn new(claims: Claims, realm: &Arc<str>) -> Self {
        Self(Arc::new(Verified { claims, realm: Arc::clone(realm) }))
    }

    /// Demands a right: `token.require(scope("books:download"))?`. The rules are in [`guard`](crate::guard).
    ///
    /// # Errors
    /// A `403` when the token does not satisfy the rule.
    pub fn require(&self, rule: Rule<'_>) -> Result<(), AuthError> {
        rule.check(self).map_err(|denied| AuthError::new(denied, &self.0.realm))
    }
}

impl Deref for AccessToken {
    type Target = Claims;

    fn deref(&self) -> &Claims {
        &self.0.claims
    }
}
