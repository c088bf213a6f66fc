//! Refreshing (RFC 6749 section 6): a token is used once, and a use that is repeated because of a lost answer or a second
//! tab logs nobody out.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::domain::audit::{Event, EventKind, Reason};
use crate::domain::change::Change;
use crate::domain::clock::TOLERANCE;
use crate::domain::clock::{Moment, seconds};
use crate::domain::keyring::{KeyringError, RefreshToken};
use crate::domain::policy::Policy;
use crate::domain::rate::{RateLimit, TooMany};
use crate::domain::sessions::device::Device;
use crate::domain::sessions::refresh_rows::RefreshRows;
use crate::domain::sessions::session::Grant;
use crate::domain::sessions::session::Sessions;
use crate::domain::tokens::size;
use crate::domain::tokens::size::{TokenTooLarge, Transport};
use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;
use crate::store::sessions;
use crate::store::sessions::{Rotation, Session};
use crate::store::users::User;

/// A use of a refresh token (RFC 6749 section 6).
#[derive(Debug)]
pub struct RefreshRequest {
    /// As the client sent it.
    pub refresh_token: SecretString,
    /// What one that came in a cookie needs beside it.
    pub csrf_token: Option<SecretString>,
    /// A part of the scope that the session has; `None` for all of it.
    pub scope: Option<String>,
    /// A part of the session's audience (RFC 8707 section 2.2), or the issuer alone; none for all of it.
    pub resource: Vec<String>,
    /// How the tokens are handed over.
    pub transport: Transport,
}

/// Why a refresh gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Not one of ours, used before, or its session has ended.
    #[error("invalid refresh token")]
    InvalidGrant,
    /// The session is refreshed too often, or the sessions of its account together. The refresh token is as good as before.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// It came in a cookie, with a CSRF token that is not the session's.
    #[error("the CSRF token of another session, or none")]
    CsrfToken,
    /// More than the session has.
    #[error("the scope is more than was granted")]
    InvalidScope,
    /// An audience that the session does not have.
    #[error("the resource is not one that was granted")]
    InvalidTarget,
    /// The next access token would be too long. The refresh token is as good as before.
    #[error(transparent)]
    TokenTooLarge(#[from] TokenTooLarge),
    /// By the clock the session or the grace period is over, and nothing else is wrong; but the clock is in doubt.
    #[error("the time alone refuses this, and the clock is in doubt")]
    ClockInDoubt,
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
    Granted(Box<Granted>),
    /// There is nothing to continue.
    Refused,
    /// The sessions of the account of this id are refreshed too often.
    TooMany(String, TooMany),
    /// It should not have been used: its session was ended now.
    Ended(Session, Reuse),
}

/// A session that goes on.
struct Granted {
    session: Session,
    user: User,
    audience: Vec<String>,
    scope: String,
    last_use: LastUse,
}

/// What a session's row said about its last use: enough to tell which uses the audit trail has a row for, without a query.
struct LastUse {
    /// The first use of a day in UTC is the first at any replica: the row says so to all.
    first_of_day: bool,
    /// What is another than it was.
    changed: Vec<&'static str>,
}

impl LastUse {
    /// A repeat does not take the session on, so it is not the first use of a day either.
    fn of(session: &Session, used: &Use, rotated: bool) -> Self {
        let (device, now) = (&used.device, used.moment.now);
        let changed = [
            (session.ip != device.ip).then_some("address"),
            (session.user_agent != device.user_agent).then_some("user_agent"),
        ];
        Self {
            first_of_day: rotated && session.last_used_at.div_euclid(DAY) < now.div_euclid(DAY),
            changed: changed.into_iter().flatten().collect(),
        }
    }

    /// What the audit trail says about this use; `None` where it need not say anything.
    fn event(&self, rows: RefreshRows) -> Option<Event> {
        let due = match rows {
            RefreshRows::All => true,
            RefreshRows::FirstOfDay => self.first_of_day,
            RefreshRows::None => false,
        };
        let event = Event::of(EventKind::TokenRefreshed);
        if self.changed.is_empty() {
            return due.then_some(event);
        }
        Some(event.with("changed", self.changed.as_slice()))
    }
}

/// In seconds.
const DAY: i64 = 24 * 3600;

/// Why a genuine refresh token ends its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reuse {
    /// It was used before, and that was too long ago for a lost answer. Owner or thief, nobody can tell: neither goes on
    /// (RFC 9700 section 4.14.2).
    Replayed,
    /// It was used a moment ago, by somebody else: a thief could otherwise ride along.
    Elsewhere,
    /// Its generation is one that the database has not reached: this is an older copy of the database.
    Future,
}

/// What a token that does not take the session on is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    /// A repeat within the grace period.
    Repeat,
    /// A repeat that time alone would make a theft, while the clock is in doubt.
    Undecided,
    Theft(Reuse),
}

/// One use of a genuine refresh token, with all that decides about it.
struct Use {
    token: RefreshToken,
    scope: Option<String>,
    resource: Vec<String>,
    policy: Arc<Policy>,
    device: Device,
    transport: Transport,
    /// Bytes of an access token beside its payload.
    frame: usize,
    /// Seconds.
    grace: i64,
    repeat_elsewhere_is_theft: bool,
    /// Seconds.
    idle: i64,
    /// Seconds.
    absolute: i64,
    moment: Moment,
    /// For a session that has no number.
    spare: Option<i64>,
    /// Refreshes of one account.
    account_limit: Option<Arc<RateLimit>>,
}

impl Sessions {
    /// Continues a session: exactly one of any number of uses of a refresh token takes it to its next generation, and
    /// the others, within the grace period, get the same answer.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub async fn refresh(&self, request: RefreshRequest, device: Device) -> Result<Grant, RefreshError> {
        let RefreshRequest { refresh_token, csrf_token, scope, resource, transport } = request;
        let token = self.keyring.decode_refresh_token(refresh_token.expose_secret());
        let Some(token) = token else {
            // While keys cannot be loaded, what is not known may be good.
            let closed = self.keyring.is_closed();
            return Err(if closed { KeyringError::Closed.into() } else { RefreshError::InvalidGrant });
        };
        let csrf_token = csrf_token.as_ref().map(ExposeSecret::expose_secret);
        self.check_csrf_token(csrf_token, &token.session_id).map_err(|_| RefreshError::CsrfToken)?;
        if let Err(too_many) = self.limits.refresh(&token.session_id) {
            let refused = Event::refused(EventKind::TokenRefreshed, Reason::TooManyRequests);
            self.changes.record(refused.in_session(token.session_id)).await;
            return Err(too_many.into());
        }
        let spare = self.changes.reserve_index().await?;
        let attempt = Use {
            token,
            scope,
            resource,
            policy: Arc::clone(&self.policy),
            device,
            transport,
            frame: self.keyring.frame_bytes(),
            grace: seconds(self.policy.refresh_grace),
            repeat_elsewhere_is_theft: self.policy.repeat_elsewhere_is_theft,
            idle: seconds(self.policy.idle_ttl),
            absolute: seconds(self.policy.absolute_ttl),
            moment: self.clock.moment(),
            spare: spare.get(),
            account_limit: self.limits.account_refresh.clone(),
        };
        let rows = self.policy.refresh_rows;
        let refresh = move |change: &mut Change<'_>| {
            let outcome = attempt.run(change)?;
            if let Outcome::Granted(granted) = &outcome {
                change.proven(&granted.user.id);
                if granted.session.status_index == spare.get() {
                    change.keep(spare);
                }
            }
            if let Some(event) = event_of(&outcome, rows) {
                change.record(event.in_session(attempt.token.session_id));
            }
            Ok::<_, RefreshError>(outcome)
        };
        match self.changes.run(refresh).await? {
            Outcome::Granted(granted) => {
                let Granted { session, user, audience, scope, .. } = *granted;
                Ok(self.grant(&session, &user, audience, scope)?)
            }
            Outcome::Refused => Err(RefreshError::InvalidGrant),
            Outcome::TooMany(_, too_many) => Err(too_many.into()),
            Outcome::Ended(session, why) => {
                log::warn!(
                    "refresh token reuse ({why:?}): ended session {} of user {}",
                    session.id,
                    session.user_id
                );
                Err(RefreshError::InvalidGrant)
            }
        }
    }
}

impl Use {
    fn run(&self, change: &mut Change<'_>) -> Result<Outcome, RefreshError> {
        let Some((before, user)) = self.open(change.db())? else { return Ok(Outcome::Refused) };
        if !before.is_alive(self.moment.now) {
            return self.expired(change, before);
        }
        // What was asked for is checked before the token is used up, and an error undoes its use.
        let audience = self.audience_for(&before).ok_or(RefreshError::InvalidTarget)?;
        // Here, because the token does not say whose it is. An account may have any number of sessions.
        if let Err(too_many) = self.account_limit.as_ref().map_or(Ok(()), |limit| limit.check(&user.id)) {
            return Ok(Outcome::TooMany(user.id, too_many));
        }
        let has_index = before.status_index.is_some();
        let rotated =
            sessions::rotate(change.db(), &before.id, &self.rotation(&before), self.spare, has_index)?;
        // Look again: at what somebody left who was faster, now or earlier; or, with the session in hand, at what rights
        // the user has now. Whoever takes rights away from now on waits for us, and gives the session another number.
        let Some((session, user)) = self.living(change.db())? else { return Ok(Outcome::Refused) };
        if !rotated {
            match self.judge(&session) {
                Judged::Repeat => {}
                Judged::Undecided => return Err(RefreshError::ClockInDoubt),
                Judged::Theft(why) => return Self::end(change, session, why),
            }
        }
        let last_use = LastUse::of(if rotated { &before } else { &session }, self, rotated);
        let Some((session, user)) = self.indexed(change.db(), session, user)? else {
            return Ok(Outcome::Refused);
        };
        let scope = self.scope_for(&user)?;
        let now = self.moment.now;
        let claims = self.policy.claims_for(&session, &user, audience.clone(), scope.clone(), now);
        size::check(&claims, self.frame, self.transport)?;
        Ok(Outcome::Granted(Box::new(Granted { session, user, audience, scope, last_use })))
    }

    /// The session, unless it or its account was ended: what the clock says is not asked.
    fn open(&self, db: &mut Connection) -> Result<Option<(Session, User)>, StoreError> {
        let found = sessions::with_user(db, &self.token.session_id)?;
        Ok(found.filter(|(session, user)| session.ended_at.is_none() && !user.disabled))
    }

    /// The session, unless it or its account has ended.
    fn living(&self, db: &mut Connection) -> Result<Option<(Session, User)>, StoreError> {
        Ok(self.open(db)?.filter(|(session, _)| session.is_alive(self.moment.now)))
    }

    /// What becomes of a token whose session is over by the clock alone.
    fn expired(&self, change: &mut Change<'_>, session: Session) -> Result<Outcome, RefreshError> {
        if !self.moment.in_doubt {
            return Ok(Outcome::Refused);
        }
        // A theft is one whatever the time: it is not hidden behind the doubt.
        let current = self.token.generation == session.generation;
        match self.judge(&session) {
            Judged::Theft(why) if !current => Self::end(change, session, why),
            _ => Err(RefreshError::ClockInDoubt),
        }
    }

    fn end(change: &mut Change<'_>, session: Session, why: Reuse) -> Result<Outcome, RefreshError> {
        change.end_session(&session.id)?;
        Ok(Outcome::Ended(session, why))
    }

    /// The use as it is stored. While the clock is in doubt it makes no session end before its time; and one that began
    /// while the clock was ahead gets a plausible end.
    fn rotation(&self, session: &Session) -> Rotation {
        let Moment { now, latest, .. } = self.moment;
        let absolute_expires_at = session.absolute_expires_at.min(latest.saturating_add(self.absolute));
        Rotation {
            generation: self.token.generation,
            now,
            expires_at: latest.saturating_add(self.idle).min(absolute_expires_at),
            absolute_expires_at,
            ip: self.device.ip.clone(),
            user_agent: self.device.user_agent.clone(),
        }
    }

    /// What a token is that did not take the session on.
    fn judge(&self, session: &Session) -> Judged {
        let age = self.moment.now.saturating_sub(session.rotated_at);
        // When it was used first in what is the future now, the clock was put back since: that was no moment ago either.
        let in_time = (-TOLERANCE..=self.grace).contains(&age);
        let old = self.token.generation + 1 < session.generation || self.grace == 0;
        let elsewhere = self.device.ip != session.ip && self.device.user_agent != session.user_agent;
        if self.token.generation >= session.generation {
            Judged::Theft(Reuse::Future)
        } else if old || !(in_time || self.moment.in_doubt) {
            Judged::Theft(Reuse::Replayed)
        } else if self.repeat_elsewhere_is_theft && elsewhere {
            Judged::Theft(Reuse::Elsewhere)
        } else if in_time {
            Judged::Repeat
        } else {
            Judged::Undecided
        }
    }

    /// The session with a status list index, if tokens carry any, and the user as of then: what takes rights away later
    /// revokes that index. A use that took the session on has assigned one; this is for repeats.
    fn indexed(
        &self,
        db: &mut Connection,
        session: Session,
        user: User,
    ) -> Result<Option<(Session, User)>, StoreError> {
        let (None, Some(spare)) = (session.status_index, self.spare) else {
            return Ok(Some((session, user)));
        };
        sessions::assign_status_index(db, &session.id, spare)?;
        // While it had none, there was nothing to revoke: what was taken away meanwhile shows only now.
        self.living(db)
    }

    /// The issuer alone may always be asked for: what a user does about their own account takes a token that no other service
    /// has seen, in whatever session.
    fn audience_for(&self, session: &Session) -> Option<Vec<String>> {
        let own = !self.resource.is_empty() && self.resource.iter().all(|asked| *asked == self.policy.issuer);
        if own { Some(vec![self.policy.issuer.clone()]) } else { narrowed(&session.audience, &self.resource) }
    }

    fn scope_for(&self, user: &User) -> Result<String, RefreshError> {
        let all = self.policy.roles.scope(user.roles());
        let Some(asked) = &self.scope else { return Ok(all) };
        let asked: Vec<String> = asked.split_ascii_whitespace().map(str::to_owned).collect();
        Ok(narrowed(&all, &asked).ok_or(RefreshError::InvalidScope)?.join(" "))
    }
}

/// What the audit trail says about the use of a genuine token.
fn event_of(outcome: &Outcome, rows: RefreshRows) -> Option<Event> {
    Some(match outcome {
        Outcome::Granted(granted) => granted.last_use.event(rows)?.to(&granted.user.id),
        Outcome::Refused => Event::refused(EventKind::TokenRefreshed, Reason::SessionEnded),
        // One budget for all sessions of the account.
        Outcome::TooMany(account, _) => Event::refused(EventKind::TokenRefreshed, Reason::TooManyRequests)
            .to(account)
            .by_holder_of(account),
        Outcome::Ended(session, why) => {
            let reason = match why {
                Reuse::Replayed => Reason::Replayed,
                Reuse::Elsewhere => Reason::Elsewhere,
                Reuse::Future => Reason::FromTheFuture,
            };
            Event::refused(EventKind::RefreshReused, reason).to(&session.user_id)
        }
    })
}

/// The part of a list, separated by spaces, that was asked for: all of it when nothing was; `None` when it is no part.
pub(in crate::domain) fn narrowed(granted: &str, asked: &[String]) -> Option<Vec<String>> {
    let granted: Vec<&str> = granted.split_ascii_whitespace().collect();
    if asked.is_empty() {
        return Some(granted.into_iter().map(str::to_owned).collect());
    }
    let part = || {
        granted.iter().filter(|item| asked.iter().any(|asked| asked == *item)).map(|item| (*item).to_owned())
    };
    asked.iter().all(|item| granted.contains(&item.as_str())).then(|| part().collect())
}
