//! Logging in: a password is checked, and a session begins.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::accounts::addresses::spellings;
use crate::domain::accounts::register::parse_username;
use crate::domain::accounts::roles::ADMIN;
use crate::domain::audit::{Event, EventKind, Origin, Reason};
use crate::domain::authn::passwords::{Against, Arrival, Class, HashingError};
use crate::domain::authn::source::Source;
use crate::domain::authn::stand_in::StandIn;
use crate::domain::authn::throttle::{Attempt, Budget, Checked, GuessError, Renewal, Target};
use crate::domain::change::{Change, ReservedIndex};
use crate::domain::clock::{Moment, seconds};
use crate::domain::issuer::Issuer;
use crate::domain::keyring::KeyringError;
use crate::domain::random;
use crate::domain::sessions::csrf::Carried;
use crate::domain::sessions::login_line::LoginLine;
use crate::domain::sessions::session::{Device, Grant};
use crate::domain::tokens::size::{TokenTooLarge, Transport};
use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;
use crate::store::sessions;
use crate::store::sessions::Session;
use crate::store::users;
use crate::store::users::{Login, User};

/// Who logs in, and what for.
#[derive(Debug)]
pub struct LoginRequest {
    /// The account; not folded yet.
    pub login: Login,
    /// Taken as it is.
    pub password: SecretString,
    /// The audiences asked for (RFC 8707); none for the default.
    pub resource: Vec<String>,
    /// What the browser has until then, which ends: a session that somebody else planted is never gone on with.
    pub carried: Carried,
    /// How the tokens are handed over.
    pub transport: Transport,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No such account, a wrong password, or a disabled account: nobody learns which.
    #[error("invalid credentials")]
    InvalidCredentials(Option<Budget>),
    /// An audience was asked for that this issuer does not serve, or that the account may not have beside others.
    #[error("unknown resource")]
    InvalidTarget,
    /// The account's token would be too long.
    #[error(transparent)]
    TokenTooLarge(#[from] TokenTooLarge),
    /// The password was not looked at.
    #[error(transparent)]
    Guess(#[from] GuessError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token could not be signed.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

impl LoginError {
    /// Why, for the log, where the audit trail says nothing more exact.
    fn log_reason(&self) -> &'static str {
        match self {
            Self::InvalidCredentials(_) => "invalid_credentials",
            Self::InvalidTarget => Reason::InvalidTarget.as_str(),
            Self::TokenTooLarge(_) => Reason::TokenTooLarge.as_str(),
            Self::Guess(error) => error.reason().map_or("unavailable", Reason::as_str),
            Self::Store(_) | Self::Keyring(_) => "unavailable",
        }
    }
}

impl Issuer {
    /// Checks a password and begins a session.
    ///
    /// A name that nobody has gets the answer of a wrong password, and costs what a certain account does, of which only the
    /// holder of the master key can tell which: the accounts' hashes may be of many kinds, and no kind tells a name that
    /// exists from one that does not.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn login(&self, request: LoginRequest, device: Device) -> Result<Grant, LoginError> {
        let mut line = LoginLine::new(&device);
        let mut reason = None;
        let outcome = self.log_in(request, device, (&mut line, &mut reason)).await;
        // What the audit trail says tells more than the answer.
        line.end(outcome.as_ref().err().map(|error| reason.map_or(error.log_reason(), Reason::as_str)));
        outcome
    }

    /// Fills in the line of the log, and the reason that the audit trail has.
    async fn log_in(
        &self,
        request: LoginRequest,
        device: Device,
        (line, reason): (&mut LoginLine, &mut Option<Reason>),
    ) -> Result<Grant, LoginError> {
        let LoginRequest { login, password, resource, carried, transport } = request;
        let audience = self.audience_for(resource)?;
        if !self.policy.passwords.is_possible(password.expose_secret()) {
            *reason = Some(Reason::ImpossiblePassword);
            self.record(Event::refused(EventKind::Login, Reason::ImpossiblePassword)).await;
            return Err(LoginError::InvalidCredentials(None));
        }
        let folded = folded(&login);
        let (Login::Username(name) | Login::Email(name)) = folded.first().unwrap_or(&login);
        let source = Source::of(device.ip.as_deref());
        if !self.hasher.admits(&Arrival::new(&source, name, Class::Other)) {
            // A flood for one name is refused before it costs the database anything.
            self.record(Event::refused(EventKind::Login, Reason::Overloaded)).await;
            return Err(GuessError::from(HashingError::Overloaded).into());
        }
        let (asked, number, moment) = (folded.clone(), self.keyring.number_of(name), self.moment());
        let look_up = move |db: &mut Connection| -> Result<_, StoreError> {
            let mut found = None;
            for login in &asked {
                found = users::find(db, login)?;
                if found.is_some() {
                    break;
                }
            }
            Ok((found, StandIn::find(db, number, moment)?))
        };
        let (found, stand_in) = self.store.read(look_up).await?;
        line.found(found.as_ref());
        let decoy = self.settle_stand_in(stand_in).await;
        // Every name of an account is one target; a name that nobody has is counted in the same way.
        let target = found.as_ref().map_or(Target::Nobody(name), |user| Target::Account(&user.id));
        let against = match &found {
            Some(user) if user.disabled => Against::Decoy(Some(user.password_hash.clone())),
            Some(user) => Against::Stored(user.password_hash.clone()),
            None => Against::Decoy(decoy),
        };
        let attempt = Attempt { target, identifier: name, source: &source };
        let checked = self.check_password(attempt, password, against, Renewal::Offered).await;
        *reason = why_not(&checked, found.as_ref());
        if let Some(reason) = *reason {
            let refused = Event::refused(EventKind::Login, reason);
            self.record(refused.to_known(found.as_ref().map(|user| user.id.as_str()))).await;
        }
        let (user, renewed) = match (checked?, found) {
            (Checked::Right { renewed, .. }, Some(user)) => (user, renewed),
            (Checked::Wrong(budget), _) => return Err(LoginError::InvalidCredentials(budget)),
            (Checked::Right { .. }, None) => return Err(LoginError::InvalidCredentials(None)),
        };
        Origin::proven(&user.id);
        if !self.may_have(&user, &audience) {
            self.record(Event::refused(EventKind::Login, Reason::InvalidTarget).to(&user.id)).await;
            return Err(LoginError::InvalidTarget);
        }
        let replaced = self.sessions_of(&carried);
        let session = self.prepare_session(&user, &audience, device, transport).await?;
        let begun = self.begin_session(&user, session, Beside { renewed_hash: renewed, replaced }).await;
        if let Err(LoginError::InvalidCredentials(_)) = &begun {
            *reason = Some(Reason::Overtaken);
        }
        let session = begun?;
        let scope = self.policy.roles.scope(user.roles());
        Ok(self.grant(&session, &user, audience, scope)?)
    }

    /// A session that can begin: its token is not too long.
    async fn prepare_session(
        &self,
        user: &User,
        audience: &[String],
        device: Device,
        transport: Transport,
    ) -> Result<NewSession, LoginError> {
        let index = self.changes.reserve_index().await?;
        let mut session = self.new_session(user, audience, device);
        session.status_index = index.get();
        if let Err(too_large) = self.check_token_size(&session, user, audience, transport) {
            self.record(Event::refused(EventKind::Login, Reason::TokenTooLarge).to(&user.id)).await;
            return Err(too_large.into());
        }
        Ok(NewSession { session, index })
    }

    async fn begin_session(
        &self,
        user: &User,
        new: NewSession,
        beside: Beside,
    ) -> Result<Session, LoginError> {
        let NewSession { session, index } = new;
        let Beside { renewed_hash, replaced } = beside;
        let (user, row) = (user.clone(), session.clone());
        let begin = move |change: &mut Change<'_>| {
            // While the password was being checked it may have been changed, or the account disabled.
            if !hold_accounts(change.db(), &user, &replaced)? {
                change.record_refusal(Event::refused(EventKind::Login, Reason::Overtaken).to(&user.id));
                return Err(LoginError::InvalidCredentials(None));
            }
            if let Some(renewed) = renewed_hash {
                users::renew_hash(change.db(), &user.id, &user.password_hash, &renewed)?;
            }
            sessions::insert(change.db(), &row)?;
            change.keep(index);
            change.record(Event::of(EventKind::Login).to(&user.id).in_session(&row.id));
            for id in &replaced {
                if let Some(ended) = change.end_session(id)? {
                    change
                        .record(Event::of(EventKind::SessionEnded).to(&ended.user_id).in_session(&ended.id));
                }
            }
            Ok(())
        };
        self.changes.run(begin).await?;
        Ok(session)
    }

    /// A session as it is at its beginning, without a status list index yet.
    pub(in crate::domain) fn new_session(&self, user: &User, audience: &[String], device: Device) -> Session {
        let Moment { now, latest, .. } = self.moment();
        Session {
            id: random::id(),
            user_id: user.id.clone(),
            audience: audience.join(" "),
            generation: 0,
            rotated_at: now,
            created_at: now,
            last_used_at: now,
            // A clock that was put back for a while must not end it before its time.
            expires_at: latest.saturating_add(seconds(self.policy.idle_ttl.min(self.policy.absolute_ttl))),
            absolute_expires_at: latest.saturating_add(seconds(self.policy.absolute_ttl)),
            ended_at: None,
            ip: device.ip,
            user_agent: device.user_agent,
            status_index: None,
        }
    }

    /// Tokens of administrators are for this service alone or not at all: another audience could use them here. To be asked
    /// behind the password, because the answer tells of the account's rights.
    fn may_have(&self, user: &User, audience: &[String]) -> bool {
        let mixed = audience.len() > 1 && audience.contains(&self.policy.issuer);
        !(mixed && user.roles().any(|role| role == ADMIN))
    }

    fn audience_for(&self, resource: Vec<String>) -> Result<Vec<String>, LoginError> {
        if resource.is_empty() {
            return Ok(self.policy.default_audience.clone());
        }
        let known = |audience: &String| self.policy.allowed_audiences.contains(audience);
        if !resource.iter().all(known) {
            return Err(LoginError::InvalidTarget);
        }
        let mut audience: Vec<String> = Vec::new();
        for asked in resource {
            if !audience.contains(&asked) {
                audience.push(asked);
            }
        }
        Ok(audience)
    }
}

/// A session that is not stored yet, with the index that its tokens carry.
struct NewSession {
    session: Session,
    index: ReservedIndex,
}

/// What changes together with the beginning of a session.
struct Beside {
    /// Replaces the hash that the password was checked against.
    renewed_hash: Option<String>,
    /// Ids of the sessions that the browser had, which end.
    replaced: Vec<String>,
}

/// What the audit trail says about a password that opens nothing. `None` when it is right, and when the store failed.
fn why_not(checked: &Result<Checked, GuessError>, found: Option<&User>) -> Option<Reason> {
    match (checked, found) {
        (Ok(Checked::Right { .. }), Some(_)) => None,
        (Ok(_), None) => Some(Reason::UnknownUser),
        (Ok(_), Some(user)) if user.disabled => Some(Reason::Disabled),
        (Ok(_), Some(_)) => Some(Reason::WrongPassword),
        (Err(error), _) => error.reason(),
    }
}

/// Holds the account, and the owners of sessions that are to end, in one order: two that take the sessions of an account in
/// different orders would wait for each other for ever. `false` when the account itself has changed.
fn hold_accounts(db: &mut Connection, user: &User, replaced: &[String]) -> Result<bool, StoreError> {
    let mut owners = BTreeSet::from([user.id.clone()]);
    for session in replaced {
        owners.extend(sessions::with_user(db, session)?.map(|(_, owner)| owner.id));
    }
    for owner in &owners {
        if *owner != user.id {
            users::hold_as_it_is(db, owner)?;
        } else if !users::hold(db, &user.id, user.auth_version)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Under what the account may be stored, the likeliest first; nothing for what no account can be called, so that the store
/// is not asked for it.
fn folded(login: &Login) -> Vec<Login> {
    match login {
        Login::Username(username) => parse_username(username).map(Login::Username).into_iter().collect(),
        Login::Email(email) => spellings(email).into_iter().map(Login::Email).collect(),
    }
}
