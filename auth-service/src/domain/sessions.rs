//! Sessions: what they give, how one is recognised, and how it ends. How one begins is in `login.rs`, and how it goes on
//! in `refresh.rs`.

use secrecy::{ExposeSecret as _, SecretString};
use shared_claims::{AccessToken, Claims, Refusal};

use super::keyring::{KeyringError, RefreshToken};
use super::{Issuer, seconds};
use crate::store::StoreError;
use crate::store::sessions::{self, Session};
use crate::store::users::User;

/// What a login or a refresh gives.
pub struct Grant {
    /// RFC 9068, signed.
    pub access_token: String,
    /// Seconds that the access token lives.
    pub expires_in: i64,
    /// To be used once.
    pub refresh_token: String,
    /// Seconds until the session ends unless it is refreshed.
    pub refresh_expires_in: i64,
    /// What the access token allows, separated by spaces.
    pub scope: String,
}

/// From where and with what somebody logs in.
#[derive(Debug, Clone, Default)]
pub struct Device {
    /// The peer's address.
    pub ip: Option<String>,
    /// What it says of itself, cut to a bounded length.
    pub user_agent: Option<String>,
}

/// Why a token is not good for this service.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// The token, or its session, or its account.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who sends a request, as the store knows them now, whatever the token says.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account.
    pub user: User,
    /// The session.
    pub session: Session,
    /// What was verified.
    pub token: AccessToken,
}

impl Issuer {
    /// Who sends this access token. The session must be alive and the account enabled.
    ///
    /// # Errors
    /// [`AuthenticateError`].
    pub async fn authenticate(&self, token: &str) -> Result<Caller, AuthenticateError> {
        let token = self.verify(token)?;
        let session_id = token.sid.clone().ok_or(Refusal::Revoked)?;
        let found = self.store.read(move |db| sessions::with_user(db, &session_id)).await?;
        let now = self.now();
        match found {
            Some((session, user)) if session.is_alive(now) && !user.disabled && user.id == token.sub => {
                Ok(Caller { user, session, token })
            }
            _ => Err(Refusal::Revoked.into()),
        }
    }

    /// The claims of a caller as guards of this service want them: with the rights of now, whatever the token says, and
    /// without any when the token was not asked for with this issuer among its audiences.
    #[must_use]
    pub fn claims_here(&self, caller: &Caller) -> Claims {
        let mut claims = Claims::clone(&caller.token);
        let for_us = claims.aud.contains(&self.policy.issuer);
        claims.roles = caller.user.roles().filter(|_| for_us).map(str::to_owned).collect();
        claims.scope = if for_us { self.policy.roles.scope(caller.user.roles()) } else { String::new() };
        claims
    }

    /// Ends the session of an access token, which may have expired.
    ///
    /// # Errors
    /// [`Refusal::Revoked`] when the session had ended before, and whatever else is wrong with the token.
    pub async fn logout(&self, access_token: &str) -> Result<(), AuthenticateError> {
        let session_id = self.session_of_expired(access_token)?.ok_or(Refusal::Revoked)?;
        if self.end_session(session_id).await? { Ok(()) } else { Err(Refusal::Revoked.into()) }
    }

    /// Ends the session of a refresh token, whatever its generation: whoever holds one may end what it could continue.
    /// A token that is not ours, or whose session has ended, ends nothing, and that is no error (RFC 7009 section 2.2).
    ///
    /// # Errors
    /// The store's.
    pub async fn logout_by_refresh_token(&self, refresh_token: &SecretString) -> Result<(), StoreError> {
        if let Some(token) = self.keyring.decode_refresh_token(refresh_token.expose_secret()) {
            self.end_session(token.session_id).await?;
        }
        Ok(())
    }

    async fn end_session(&self, id: String) -> Result<bool, StoreError> {
        let now = self.now();
        self.store.write(move |db| sessions::end(db, &id, now)).await
    }

    /// The answer to a login or a refresh.
    pub(super) fn grant(
        &self,
        session: &Session,
        user: &User,
        audience: Vec<String>,
        scope: String,
    ) -> Result<Grant, KeyringError> {
        let next = RefreshToken { session_id: session.id.clone(), generation: session.generation };
        Ok(Grant {
            access_token: self.mint(session, user, audience, scope.clone())?,
            expires_in: seconds(self.policy.access_ttl),
            refresh_token: self.keyring.encode_refresh_token(&next)?,
            refresh_expires_in: session.expires_at - self.now(),
            scope,
        })
    }
}
