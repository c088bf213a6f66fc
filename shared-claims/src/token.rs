//! `AccessToken`: a verified token as a type. Code that holds one only needs to check rights.

use std::{
    any::{Any, TypeId},
    fmt,
    ops::{Deref, Range},
    sync::{Arc, OnceLock},
};

#[cfg(feature = "remote")]
use crate::remote::lists::store::StatusEntry;
use crate::{
    claims::standard::Claims,
    guard::Rule,
    http::bearer::{AuthError, Cause, Realm},
    shown::Shown,
};

/// The claims of a verified access token (RFC 9068). Only a [`Verifier`](crate::Verifier) makes one.
///
/// Cheap to clone; reads like [`Claims`].
#[derive(Clone, Debug)]
pub struct AccessToken {
    verified: Arc<Verified>,
    verified_at: u64,
}

/// What verification has established about a token.
pub(crate) struct Verified {
    pub(crate) claims: Claims,
    pub(crate) realm: Arc<Realm>,
    /// The claims as they were sent, from which custom claims are read.
    pub(crate) payload: Box<[u8]>,
    /// The generation of the keys that it was verified with; `None` for a shared secret.
    pub(crate) generation: Option<u64>,
    /// When it is valid, in seconds since 1970, leeway included.
    pub(crate) lifetime: Range<u64>,
    /// Its entry in a status list; `None` if its status is not checked.
    #[cfg(feature = "remote")]
    pub(crate) entry: Option<StatusEntry>,
    pub(crate) custom: OnceLock<(TypeId, Arc<dyn Any + Send + Sync>)>,
}

impl Verified {
    pub(crate) fn new(
        claims: Claims,
        realm: &Arc<Realm>,
        payload: Vec<u8>,
        generation: Option<u64>,
        lifetime: Range<u64>,
    ) -> Self {
        Self {
            claims,
            realm: Arc::clone(realm),
            payload: payload.into_boxed_slice(),
            generation,
            lifetime,
            #[cfg(feature = "remote")]
            entry: None,
            custom: OnceLock::new(),
        }
    }
}

impl AccessToken {
    /// Creates a token that was verified at `now`.
    pub(crate) fn new(verified: Verified, now: u64) -> Self {
        Self { verified: Arc::new(verified), verified_at: now }
    }

    /// Returns the token with a later time of verification.
    pub(crate) fn at(self, now: u64) -> Self {
        Self { verified_at: now, ..self }
    }

    pub(crate) fn verified(&self) -> &Verified {
        &self.verified
    }

    /// Returns when the token was verified, in seconds since 1970 by the verifier's clock. Rules are checked at this time.
    #[must_use]
    pub fn verified_at(&self) -> u64 {
        self.verified_at
    }

    /// Requires a right: `token.require(scope("books:download"))?`. The rules are in [`guard`](crate::guard).
    ///
    /// # Errors
    /// [`Cause::Denied`]: answered with `403` if the token does not satisfy the rule, or `401` if a more recent login would.
    #[expect(clippy::needless_pass_by_value, reason = "rules are built in the call")]
    pub fn require(&self, rule: Rule<'_>) -> Result<(), AuthError> {
        self.allowed_by(&rule)
    }

    pub(crate) fn allowed_by(&self, rule: &Rule<'_>) -> Result<(), AuthError> {
        rule.check_at(self, self.verified_at).map_err(|denied| {
            log::debug!(
                "a right is missing: expected {}, got sub {}, scope {}, roles {}, auth_time {:?}",
                Shown(format!("{rule:?}")),
                Shown(&self.sub),
                Shown(&self.scope),
                Shown(format!("{:?}", self.roles)),
                self.auth_time
            );
            self.auth_error(denied)
        })
    }

    /// Returns an error with the realm of the verifier.
    pub(crate) fn auth_error(&self, cause: impl Into<Cause>) -> AuthError {
        AuthError::new(cause, &self.verified.realm)
    }
}

impl Deref for AccessToken {
    type Target = Claims;

    fn deref(&self) -> &Claims {
        &self.verified.claims
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.claims.fmt(f)
    }
}
