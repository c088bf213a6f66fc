//! Sessions: how one begins, goes on, is recognised, and ends.

use secrecy::{ExposeSecret as _, SecretString};
use shared_claims::{AccessToken, Claims, Refusal};

use super::keyring::{KeyringError, RefreshToken};
use super::passwords::HashingError;
use super::{Issuer, random, seconds};
use crate::store::sessions::{self, Session};
use crate::store::users::{self, Login, User};
use crate::store::{Connection, StoreError};

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

/// Who logs in, and what for.
#[derive(Debug)]
pub struct LoginRequest {
    /// The account; not folded yet.
    pub login: Login,
    /// Taken as it is.
    pub password: SecretString,
    /// The audiences asked for (RFC 8707); none for the default.
    pub resource: Vec<String>,
}

/// From where and with what somebody logs in.
#[derive(Debug, Clone, Default)]
pub struct Device {
    /// The peer's address.
    pub ip: Option<String>,
    /// What it says of itself, cut to a bounded length.
    pub user_agent: Option<String>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No such account, a wrong password, or a disabled account: nobody learns which.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// An audience was asked for that this issuer does not serve.
    #[error("unknown resource")]
    InvalidTarget,
    /// The password could not be checked.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token could not be signed.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

/// A use of a refresh token (RFC 6749 section 6).
#[derive(Debug)]
pub struct RefreshRequest {
    /// As the client sent it.
    pub refresh_token: SecretString,
    /// A part of the scope that the session has; `None` for all of it.
    pub scope: Option<String>,
    /// A part of the session's audience (RFC 8707 section 2.2); none for all of it.
    pub resource: Vec<String>,
}

/// Why a refresh gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Not one of ours, used before, or its session has ended.
    #[error("invalid refresh token")]
    InvalidGrant,
    /// More than the session has.
    #[error("the scope is more than was granted")]
    InvalidScope,
    /// An audience that the session does not have.
    #[error("the resource is not one that was granted")]
    InvalidTarget,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token could not be signed.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
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

/// What became of a refresh token in the transaction that used it.
enum Rotation {
    /// The session with its new generation, or with the one that an earlier use of the same token gave it.
    Granted(Session, User),
    /// There is nothing to continue.
    Refused,
    /// The token was used long ago: its session was ended now.
    Reused(Session),
}

impl Issuer {
    /// Checks a password and begins a session.
    ///
    /// An unknown account costs the same hash as a known one, and gets the same answer as a wrong password.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn login(&self, request: LoginRequest, device: Device) -> Result<Grant, LoginError> {
        let LoginRequest { login, password, resource } = request;
        let audience = self.audience_for(resource)?;
        if !self.policy.passwords.is_possible(password.expose_secret()) {
            return Err(LoginError::InvalidCredentials);
        }
        let login = folded(login);
        let found = self.store.read(move |db| users::find(db, &login)).await?;
        let stored = found.as_ref().map(|user| user.password_hash.clone());
        let correct = self.hasher.verify(password, stored).await?;
        let user = found.filter(|user| correct && !user.disabled).ok_or(LoginError::InvalidCredentials)?;
        let session = self.begin_session(&user, &audience, device).await?;
        let scope = self.policy.roles.scope(user.roles());
        Ok(self.grant(&session, &user, audience, scope)?)
    }

    /// Continues a session: exactly one of any number of uses of a refresh token takes it to its next generation, and
    /// the others, within the grace period, get the same answer.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub async fn refresh(&self, request: RefreshRequest) -> Result<Grant, RefreshError> {
        let decoded = self.keyring.decode_refresh_token(request.refresh_token.expose_secret());
        let token = decoded.ok_or(RefreshError::InvalidGrant)?;
        let (roles, grace, idle, now) = (
            self.policy.roles.clone(),
            seconds(self.policy.refresh_grace),
            seconds(self.policy.idle_ttl),
            self.now(),
        );
        let rotate = move |db: &mut Connection| {
            let Some((session, user)) = sessions::with_user(db, &token.session_id)? else {
                return Ok((Rotation::Refused, Vec::new(), String::new()));
            };
            // What was asked for is checked before the token is used up.
            let audience =
                narrowed(&session.audience, &request.resource).ok_or(RefreshError::InvalidTarget)?;
            let scope = match &request.scope {
                None => roles.scope(user.roles()),
                Some(asked) => {
                    let asked: Vec<String> = asked.split_ascii_whitespace().map(str::to_owned).collect();
                    narrowed(&roles.scope(user.roles()), &asked).ok_or(RefreshError::InvalidScope)?.join(" ")
                }
            };
            Ok::<_, RefreshError>((
                rotate_session(db, &token, &session, user, now, grace, idle)?,
                audience,
                scope,
            ))
        };
        match self.store.write(rotate).await? {
            (Rotation::Granted(session, user), audience, scope) => {
                Ok(self.grant(&session, &user, audience, scope)?)
            }
            (Rotation::Refused, ..) => Err(RefreshError::InvalidGrant),
            (Rotation::Reused(session), ..) => {
                log::warn!(
                    "refresh token reuse: session {} of user {} was ended",
                    session.id,
                    session.user_id
                );
                Err(RefreshError::InvalidGrant)
            }
        }
    }

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

    async fn begin_session(
        &self,
        user: &User,
        audience: &[String],
        device: Device,
    ) -> Result<Session, LoginError> {
        let now = self.now();
        let session = Session {
            id: random::id(),
            user_id: user.id.clone(),
            audience: audience.join(" "),
            generation: 0,
            rotated_at: now,
            created_at: now,
            last_used_at: now,
            expires_at: now.saturating_add(seconds(self.policy.idle_ttl.min(self.policy.absolute_ttl))),
            absolute_expires_at: now.saturating_add(seconds(self.policy.absolute_ttl)),
            ended_at: None,
            ip: device.ip,
            user_agent: device.user_agent,
        };
        let (row, auth_version) = (session.clone(), user.auth_version);
        let begin = move |db: &mut Connection| {
            // While the password was being checked it may have been changed, or the account disabled.
            if !users::hold(db, &row.user_id, auth_version)? {
                return Err(LoginError::InvalidCredentials);
            }
            Ok(sessions::insert(db, &row)?)
        };
        self.store.write(begin).await?;
        Ok(session)
    }

    fn grant(
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

    fn audience_for(&self, resource: Vec<String>) -> Result<Vec<String>, LoginError> {
        if resource.is_empty() {
            return Ok(self.policy.default_audience.clone());
        }
        let known = |audience: &String| self.policy.allowed_audiences.contains(audience);
        if resource.iter().all(known) { Ok(resource) } else { Err(LoginError::InvalidTarget) }
    }
}

/// Uses the token on its session, inside a transaction.
fn rotate_session(
    db: &mut Connection,
    token: &RefreshToken,
    session: &Session,
    user: User,
    now: i64,
    grace: i64,
    idle: i64,
) -> Result<Rotation, StoreError> {
    if user.disabled || !session.is_alive(now) {
        return Ok(Rotation::Refused);
    }
    let expires_at = now.saturating_add(idle).min(session.absolute_expires_at);
    if let Some(next) = sessions::rotate(db, &token.session_id, token.generation, now, expires_at)? {
        return Ok(Rotation::Granted(next, user));
    }
    // Somebody was faster, now or earlier: look again at what they left.
    let Some((session, user)) = sessions::with_user(db, &token.session_id)? else {
        return Ok(Rotation::Refused);
    };
    if !session.is_alive(now) {
        return Ok(Rotation::Refused);
    }
    let repeated = session.generation == token.generation + 1 && now - session.rotated_at <= grace;
    if repeated && grace > 0 {
        return Ok(Rotation::Granted(session, user));
    }
    // Owner or thief, nobody can tell: neither goes on (RFC 9700 section 4.14.2). A generation that the database has
    // not reached yet means that it was restored from an older copy; that session ends as well.
    sessions::end(db, &token.session_id, now)?;
    Ok(Rotation::Reused(session))
}

/// The part of a list, separated by spaces, that was asked for: all of it when nothing was; `None` when it is no part.
fn narrowed(granted: &str, asked: &[String]) -> Option<Vec<String>> {
    let granted: Vec<&str> = granted.split_ascii_whitespace().collect();
    if asked.is_empty() {
        return Some(granted.into_iter().map(str::to_owned).collect());
    }
    asked.iter().all(|item| granted.contains(&item.as_str())).then(|| asked.to_vec())
}

fn folded(login: Login) -> Login {
    match login {
        Login::Username(username) => Login::Username(username.to_lowercase()),
        Login::Email(email) => Login::Email(email.to_lowercase()),
    }
}
