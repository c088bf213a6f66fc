//! Extractors: tokens as parameters of handlers.

use ::axum::{
    extract::{FromRef, FromRequestParts, OptionalFromRequestParts},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use crate::{
    claims::custom::CustomClaims,
    http::{
        bearer::AuthError,
        require::{OptionalToken, VerifiedBy, WillBePrivate, check_private},
    },
    token::AccessToken,
    verifier::Verifier,
};

impl<S> FromRequestParts<S> for AccessToken
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AuthError> {
        let verifier = Verifier::from_ref(state);
        if let Some(token) = verified_before(parts, &verifier) {
            return Ok(token);
        }
        check_private(&verifier, parts, parts.extensions.get::<WillBePrivate>().is_some())?;
        verifier.verify_request(parts).await
    }
}

impl<S> FromRequestParts<S> for OptionalToken
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AuthError> {
        Self::from_result(<AccessToken as FromRequestParts<S>>::from_request_parts(parts, state).await)
    }
}

impl<S, C> FromRequestParts<S> for CustomClaims<C>
where
    Verifier: FromRef<S>,
    S: Send + Sync,
    C: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AuthError> {
        Self::from_result(<AccessToken as FromRequestParts<S>>::from_request_parts(parts, state).await)
    }
}

/// `Option<AccessToken>` behaves like [`OptionalToken`].
impl<S> OptionalFromRequestParts<S> for AccessToken
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, AuthError> {
        let OptionalToken(token) = OptionalToken::from_request_parts(parts, state).await?;
        Ok(token)
    }
}

/// Returns the token that a `RequireToken` has verified, unless this handler uses another verifier.
fn verified_before(parts: &Parts, verifier: &Verifier) -> Option<AccessToken> {
    let VerifiedBy(before) = parts.extensions.get()?;
    if verifier.verifies_like(before) { parts.extensions.get().cloned() } else { None }
}
