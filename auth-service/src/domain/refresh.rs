//! Refreshing (RFC 6749 section 6): a token is used once, and a use that is repeated because of a lost answer or a second
//! tab logs nobody out.

use secrecy::{ExposeSecret as _, SecretString};

use super::keyring::{KeyringError, RefreshToken};
use super::rights::Roles;
use super::sessions::Grant;
use super::{Issuer, seconds};
use crate::store::sessions::{self, Session};
use crate::store::users::User;
use crate::store::{Connection, StoreError};

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

/// What became of a refresh token in the transaction that used it.
enum Outcome {
    /// The session goes on: with its new generation, or with the one that an earlier use of the same token gave it.
    Granted { session: Session, user: User, audience: Vec<String>, scope: String },
    /// There is nothing to continue.
    Refused,
    /// The token was used long ago: its session was ended now.
    Reused(Session),
}

/// One use of a genuine refresh token, with all that decides about it.
struct Use {
    token: RefreshToken,
    scope: Option<String>,
    resource: Vec<String>,
    roles: Roles,
    /// Seconds.
    grace: i64,
    /// Seconds.
    idle: i64,
    /// Unix seconds.
    now: i64,
}

impl Issuer {
    /// Continues a session: exactly one of any number of uses of a refresh token takes it to its next generation, and
    /// the others, within the grace period, get the same answer.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub async fn refresh(&self, request: RefreshRequest) -> Result<Grant, RefreshError> {
        let RefreshRequest { refresh_token, scope, resource } = request;
        let token = self.keyring.decode_refresh_token(refresh_token.expose_secret());
        let attempt = Use {
            token: token.ok_or(RefreshError::InvalidGrant)?,
            scope,
            resource,
            roles: self.policy.roles.clone(),
            grace: seconds(self.policy.refresh_grace),
            idle: seconds(self.policy.idle_ttl),
            now: self.now(),
        };
        match self.store.write(move |db| attempt.run(db)).await? {
            Outcome::Granted { session, user, audience, scope } => {
                Ok(self.grant(&session, &user, audience, scope)?)
            }
            Outcome::Refused => Err(RefreshError::InvalidGrant),
            Outcome::Reused(session) => {
                log::warn!("refresh token reuse: ended session {} of user {}", session.id, session.user_id);
                Err(RefreshError::InvalidGrant)
            }
        }
    }
}

impl Use {
    fn run(&self, db: &mut Connection) -> Result<Outcome, RefreshError> {
        let Some((session, user)) = self.living(db)? else { return Ok(Outcome::Refused) };
        // What was asked for is checked before the token is used up.
        let audience = narrowed(&session.audience, &self.resource).ok_or(RefreshError::InvalidTarget)?;
        let scope = self.scope_for(&user)?;
        let expires_at = self.now.saturating_add(self.idle).min(session.absolute_expires_at);
        let rotated = sessions::rotate(db, &session.id, self.token.generation, self.now, expires_at)?;
        if let Some(session) = rotated {
            return Ok(Outcome::Granted { session, user, audience, scope });
        }
        // Somebody was faster, now or earlier: look again at what they left.
        let Some((session, user)) = self.living(db)? else { return Ok(Outcome::Refused) };
        if self.is_repeated(&session) {
            return Ok(Outcome::Granted { session, user, audience, scope });
        }
        // Owner or thief, nobody can tell: neither goes on (RFC 9700 section 4.14.2). A generation that the database has
        // not reached yet means that it was restored from an older copy; that session ends as well.
        sessions::end(db, &session.id, self.now)?;
        Ok(Outcome::Reused(session))
    }

    /// The session, unless it or its account has ended.
    fn living(&self, db: &mut Connection) -> Result<Option<(Session, User)>, StoreError> {
        let found = sessions::with_user(db, &self.token.session_id)?;
        Ok(found.filter(|(session, user)| session.is_alive(self.now) && !user.disabled))
    }

    fn is_repeated(&self, session: &Session) -> bool {
        let previous = session.generation == self.token.generation + 1;
        previous && self.grace > 0 && self.now - session.rotated_at <= self.grace
    }

    fn scope_for(&self, user: &User) -> Result<String, RefreshError> {
        let all = self.roles.scope(user.roles());
        let Some(asked) = &self.scope else { return Ok(all) };
        let asked: Vec<String> = asked.split_ascii_whitespace().map(str::to_owned).collect();
        Ok(narrowed(&all, &asked).ok_or(RefreshError::InvalidScope)?.join(" "))
    }
}

/// The part of a list, separated by spaces, that was asked for: all of it when nothing was; `None` when it is no part.
fn narrowed(granted: &str, asked: &[String]) -> Option<Vec<String>> {
    let granted: Vec<&str> = granted.split_ascii_whitespace().collect();
    if asked.is_empty() {
        return Some(granted.into_iter().map(str::to_owned).collect());
    }
    let part = || {
        granted.iter().filter(|item| asked.iter().any(|asked| asked == *item)).map(|item| (*item).to_owned())
    };
    asked.iter().all(|item| granted.contains(&item.as_str())).then(|| part().collect())
}
