//! A token that has been verified, as a type: whoever holds one need not check anything but rights.

use std::{
    any::{Any, TypeId},
    fmt,
    ops::{Deref, Range},
    sync::{Arc, OnceLock},
};

use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

#[cfg(feature = "remote")]
use crate::remote::Place;
use crate::{
    claims::Claims,
    error::{AuthError, Cause, Refusal},
    guard::Rule,
    http::bearer::Realm,
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

/// A verified access token together with claims of the application's own, as a parameter of a handler.
///
/// ```
/// # use {serde::Deserialize, shared_claims::claims::OwnClaims};
/// #[derive(Deserialize)]
/// struct Tenant {
///     tenant: String,
/// }
///
/// fn orders(caller: &OwnClaims<Tenant>) -> String {
///     format!("{} of {}", caller.token.name(), caller.own.tenant)
/// }
/// ```
#[derive(Debug)]
pub struct OwnClaims<C> {
    /// The token.
    pub token: AccessToken,
    /// What it says besides, or what the application reads in it.
    pub own: Arc<C>,
}

/// What is known of a token by now.
pub(crate) struct Verified {
    pub(crate) claims: Claims,
    pub(crate) realm: Arc<Realm>,
    /// The claims as they were sent, for those who want to read more in them.
    pub(crate) payload: Box<[u8]>,
    /// The generation of the keys that it was verified by; `None` for a shared secret.
    pub(crate) generation: Option<u64>,
    /// When it is good, in seconds since 1970, leeway included.
    pub(crate) lifetime: Range<u64>,
    /// Where its status list is kept, and its place in it; `None` when its status is not looked up.
    #[cfg(feature = "remote")]
    pub(crate) place: Option<(Arc<Place>, u64)>,
    own: OnceLock<(TypeId, Arc<dyn Any + Send + Sync>)>,
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
            place: None,
            own: OnceLock::new(),
        }
    }
}

impl AccessToken {
    /// `now` is when the claims were found to be good.
    pub(crate) fn new(verified: Verified, now: u64) -> Self {
        Self { verified: Arc::new(verified), verified_at: now }
    }

    /// The same, found to be good once more.
    pub(crate) fn at(self, now: u64) -> Self {
        Self { verified_at: now, ..self }
    }

    pub(crate) fn verified(&self) -> &Verified {
        &self.verified
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
        rule.check_at(self, self.verified_at).map_err(|denied| {
            log::debug!(
                "a right is refused: wanted {}, came sub {}, scope {}, roles {}, auth_time {:?}",
                Shown(format!("{rule:?}")),
                Shown(&self.sub),
                Shown(&self.scope),
                Shown(format!("{:?}", self.roles)),
                self.auth_time
            );
            self.auth_error(denied)
        })
    }

    /// An error in the realm of whoever verified this.
    pub(crate) fn auth_error(&self, cause: impl Into<Cause>) -> AuthError {
        AuthError::new(cause, &self.verified.realm)
    }

    /// Reads the claims as a type of the application's own. A token that comes again is read once, as long as one type is
    /// used.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when the token does not have what the type wants.
    pub fn read<C: DeserializeOwned + Send + Sync + 'static>(self) -> Result<OwnClaims<C>, Refusal> {
        let wanted = TypeId::of::<C>();
        let read = || {
            let own = read_own::<C>(&self.verified.payload);
            own.map(Arc::new).map_err(|error| {
                log::debug!("a token does not have the claims that this service needs: {}", Shown(error));
                Refusal::Malformed("a claim that this service needs")
            })
        };
        let own = match self.verified.own.get() {
            Some((id, known)) if *id == wanted => match Arc::clone(known).downcast::<C>() {
                Ok(own) => own,
                Err(_) => read()?, // it is of this type
            },
            Some(_) => read()?,
            None => {
                let own = read()?;
                let _ = self.verified.own.set((wanted, Arc::clone(&own) as Arc<dyn Any + Send + Sync>));
                own
            }
        };
        Ok(OwnClaims { token: self, own })
    }
}

/// When another crate has turned `arbitrary_precision` on, `serde_json` shows numbers as objects wherever serde keeps them
/// for later (`flatten`, `untagged`), and a good token would be refused. So what does not fit is tried once more with numbers
/// in their plain form.
fn read_own<C: DeserializeOwned>(payload: &[u8]) -> serde_json::Result<C> {
    serde_json::from_slice(payload).or_else(|_| {
        let mut claims = serde_json::from_slice(payload)?;
        write_numbers_plainly(&mut claims);
        serde_json::from_value(claims)
    })
}

fn write_numbers_plainly(value: &mut Value) {
    match value {
        Value::Number(number) if !number.is_u64() && !number.is_i64() => {
            if let Some(plain) = number.as_f64().and_then(Number::from_f64) {
                *number = plain;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(write_numbers_plainly),
        Value::Object(members) => members.values_mut().for_each(write_numbers_plainly),
        _ => {}
    }
}

impl Deref for AccessToken {
    type Target = Claims;

    fn deref(&self) -> &Claims {
        &self.verified.claims
    }
}

impl<C> Clone for OwnClaims<C> {
    fn clone(&self) -> Self {
        Self { token: self.token.clone(), own: Arc::clone(&self.own) }
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.claims.fmt(f)
    }
}
