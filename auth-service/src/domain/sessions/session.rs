//! Sessions: what they give, how one is recognised, and how it ends. How one begins is in `login.rs`, and how it goes on
//! in `refresh.rs`.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use shared_claims::{AccessToken, error::Refusal};

use crate::domain::audit::{AuditContext, Event, EventKind};
use crate::domain::change::{Change, Changes};
use crate::domain::clock::DatabaseClock;
use crate::domain::keyring::Keyring;
use crate::domain::keyring::{KeyringError, RefreshToken};
use crate::domain::policy::Policy;
use crate::domain::rate::GrantLimits;
use crate::domain::tokens::access_token::Tokens;
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::sessions;
use crate::store::sessions::Session;
use crate::store::users;
use crate::store::users::User;

/// What a login or a refresh gives.
pub struct Grant {
    /// RFC 9068, signed.
    pub access_token: String,
    /// Seconds that the access token lives.
    pub expires_in: i64,
    /// How to go on; a client's own token has no such thing (RFC 6749 section 4.4.3).
    pub refresh: Option<RefreshGrant>,
    /// What the access token allows, separated by spaces.
    pub scope: String,
}

/// What continues a session.
pub struct RefreshGrant {
    /// To be used once.
    pub token: String,
    /// Seconds until the session ends unless it is refreshed.
    pub expires_in: i64,
    /// What requests of a page repeat when they carry the session's tokens in cookies.
    pub csrf_token: String,
}

/// An id that no session has, in whatever order a database sorts text: some sort `~` before all digits.
const BEHIND_EVERY_ID: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/// Why a token is not good for this service.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// The token, or its session, or its account.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is a client's own token, and this is for users.
    #[error("the token of a client, not of a user")]
    NotAUser,
    /// It came in a cookie, with a CSRF token that is not the session's.
    #[error("the CSRF token of another session, or none")]
    CsrfToken,
    /// By the clock its session is over, and nothing else is wrong; but the clock is in doubt.
    #[error("the time alone refuses this, and the clock is in doubt")]
    ClockInDoubt,
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

/// One part of a list of sessions.
#[derive(Debug, Clone)]
pub struct SessionPage {
    /// The newest first.
    pub sessions: Vec<Session>,
    /// The cursor of the next part, if there is one.
    pub next: Option<String>,
}

/// The sessions of users: what a request's token belongs to, how a session continues, and how it ends.
pub struct Sessions {
    /// Where sessions are looked up.
    pub store: Store,
    /// Begins and ends them.
    pub changes: Changes,
    /// Signs their access tokens.
    pub tokens: Arc<Tokens>,
    /// Makes refresh tokens and CSRF tokens.
    pub keyring: Arc<Keyring>,
    /// How long a session lives.
    pub policy: Arc<Policy>,
    /// The database's time.
    pub clock: DatabaseClock,
    /// How often a session, and all of an account, may be refreshed.
    pub limits: Arc<GrantLimits>,
}

impl Sessions {
    /// Who sends this access token. The session must be alive and the account enabled. One that came in a cookie, and is to
    /// change something, needs the `csrf_token` of its session.
    ///
    /// # Errors
    /// [`AuthenticateError`].
    pub async fn authenticate(
        &self,
        token: &str,
        csrf_token: Option<&str>,
    ) -> Result<Caller, AuthenticateError> {
        let token = self.tokens.verify(token)?;
        let session_id = token.sid.clone().ok_or(AuthenticateError::NotAUser)?;
        self.check_csrf_token(csrf_token, &session_id)?;
        let found = self.store.read(move |db| sessions::with_user(db, &session_id)).await?;
        let moment = self.clock.moment();
        let open = |(session, user): &(Session, User)| {
            session.ended_at.is_none() && !user.disabled && user.id == token.sub
        };
        match found.filter(open) {
            Some((session, user)) if session.is_alive(moment.now) => {
                AuditContext::proven(&user.id);
                Ok(Caller { user, session, token })
            }
            Some(_) if moment.in_doubt => Err(AuthenticateError::ClockInDoubt),
            _ => Err(Refusal::Revoked.into()),
        }
    }

    /// Ends the session of an access token, which may have expired. One that came in a cookie needs the `csrf_token` of its
    /// session.
    ///
    /// # Errors
    /// [`Refusal::Revoked`] when the session had ended before, and whatever else is wrong with the token.
    pub async fn logout(
        &self,
        access_token: &str,
        csrf_token: Option<&str>,
    ) -> Result<(), AuthenticateError> {
        let session_id =
            self.tokens.verify_expired(access_token)?.sid.clone().ok_or(AuthenticateError::NotAUser)?;
        self.check_csrf_token(csrf_token, &session_id)?;
        if self.end_session(session_id, EventKind::Logout).await? {
            Ok(())
        } else {
            Err(Refusal::Revoked.into())
        }
    }

    /// Ends the session of a refresh token, whatever its generation: whoever holds one may end what it could continue.
    /// A token that is not ours, or whose session has ended, ends nothing, and that is no error (RFC 7009 section 2.2).
    ///
    /// # Errors
    /// The store's.
    pub async fn logout_by_refresh_token(&self, refresh_token: &SecretString) -> Result<(), StoreError> {
        self.end_by_refresh_token(refresh_token, EventKind::Logout).await
    }

    /// The same, recorded as a revocation.
    pub(in crate::domain) async fn revoke_by_refresh_token(
        &self,
        token: &SecretString,
    ) -> Result<(), StoreError> {
        self.end_by_refresh_token(token, EventKind::TokenRevoked).await
    }

    async fn end_by_refresh_token(&self, token: &SecretString, kind: EventKind) -> Result<(), StoreError> {
        if let Some(token) = self.keyring.decode_refresh_token(token.expose_secret()) {
            self.end_session(token.session_id, kind).await?;
        }
        Ok(())
    }

    /// Ends a session, with its access tokens; `false` when it had ended before. `kind` is what the audit trail calls it.
    pub(in crate::domain) async fn end_session(
        &self,
        id: String,
        kind: EventKind,
    ) -> Result<bool, StoreError> {
        let end = move |change: &mut Change<'_>| {
            let Some(session) = change.end_session(&id)? else { return Ok(false) };
            change.proven(&session.user_id); // by a token of the session, if by nothing else
            change.record(Event::of(kind).to(&session.user_id).in_session(&session.id));
            Ok(true)
        };
        self.changes.run(end).await
    }

    /// Living sessions of the caller's account, the newest first; `cursor` is what the part before gave as `next`, and empty
    /// for the first part.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_sessions(
        &self,
        caller: &Caller,
        cursor: &str,
        limit: u32,
    ) -> Result<SessionPage, StoreError> {
        let before = if cursor.is_empty() { BEHIND_EVERY_ID } else { cursor }.to_owned();
        let (user_id, now, most) = (caller.user.id.clone(), self.clock.now(), i64::from(limit) + 1);
        // One more than is shown tells whether there is a next part.
        let page = move |db: &mut Connection| sessions::page(db, &user_id, &before, most, now);
        let mut sessions = self.store.read(page).await?;
        let more = sessions.len() > limit as usize;
        sessions.truncate(limit as usize);
        let next = sessions.last().filter(|_| more).map(|session| session.id.clone());
        Ok(SessionPage { sessions, next })
    }

    /// Ends one session of the caller's account; `false` when there is no such session, or it is somebody else's.
    ///
    /// # Errors
    /// The store's.
    pub async fn end_own_session(&self, caller: &Caller, id: String) -> Result<bool, StoreError> {
        let (user_id, wanted, moment) = (caller.user.id.clone(), id.clone(), self.clock.moment());
        let found = self.store.read(move |db| sessions::with_user(db, &wanted)).await?;
        // One that is over by a clock in doubt may go on tomorrow: whoever wants it ended has it ended.
        let goes_on = |session: &Session| {
            session.ended_at.is_none() && (moment.in_doubt || session.is_alive(moment.now))
        };
        match found {
            Some((session, user)) if user.id == user_id && goes_on(&session) => {
                self.end_session(id, EventKind::SessionEnded).await
            }
            _ => Ok(false),
        }
    }

    /// Ends every session of the caller's account but this one.
    ///
    /// # Errors
    /// The store's.
    pub async fn end_other_sessions(&self, caller: &Caller) -> Result<(), StoreError> {
        let (user_id, kept) = (caller.user.id.clone(), caller.session.id.clone());
        let end = move |change: &mut Change<'_>| {
            users::hold_as_it_is(change.db(), &user_id)?;
            // A row for each request that ends nothing would let any user fill the disk.
            if change.end_sessions_of(&user_id, Some(&kept))? > 0 {
                change.record(Event::of(EventKind::SessionsEnded).to(&user_id).in_session(&kept));
            }
            Ok(())
        };
        self.changes.run(end).await
    }

    /// The answer to a login or a refresh.
    pub(in crate::domain) fn grant(
        &self,
        session: &Session,
        user: &User,
        audience: Vec<String>,
        scope: String,
    ) -> Result<Grant, KeyringError> {
        let now = self.clock.now();
        let next = RefreshToken { session_id: session.id.clone(), generation: session.generation };
        Ok(Grant {
            access_token: self.tokens.mint(session, user, audience, scope.clone())?,
            expires_in: self.tokens.access_ttl(session, now),
            refresh: Some(RefreshGrant {
                token: self.keyring.encode_refresh_token(&next, session.rotated_at)?,
                expires_in: session.expires_at - now,
                csrf_token: self.keyring.encode_csrf_token(&session.id, session.rotated_at)?,
            }),
            scope,
        })
    }
}
