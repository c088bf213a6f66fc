//! Tokens as parameters: extracts, verifies; nothing else.

use ::axum::{
    extract::{FromRef, FromRequestParts, OptionalFromRequestParts},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use crate::{
    claims::custom::OwnClaims,
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

impl<S, C> FromRequestParts<S> for OwnClaims<C>
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

/// axum's `Option<AccessToken>` means what [`OptionalToken`] does.
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

/// The token that a `RequireToken` has verified, unless this handler trusts another verifier.
fn verified_before(parts: &Parts, verifier: &Verifier) -> Option<AccessToken> {
    let VerifiedBy(before) = parts.extensions.get()?;
    if verifier.judges_like(before) { parts.extensions.get().cloned() } else { None }
}
