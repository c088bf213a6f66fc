//! What the owner of an account changes: the password, the names, or that it exists. Each asks for the current password.

use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::accounts::addresses::parse_email;
use crate::domain::accounts::names::{Rest, Wanted};
use crate::domain::accounts::register::parse_username;
use crate::domain::audit::{Event, EventKind, Reason};
use crate::domain::authn::passwords::{Against, Arrival, HashingError};
use crate::domain::authn::source::Source;
use crate::domain::authn::throttle::{Attempt, Budget, Checked, GuessError, Renewal, Target};
use crate::domain::invalid::Invalid;
use crate::domain::issuer::Issuer;
use crate::domain::keyring::KeyringError;
use crate::domain::sessions::session::{Caller, Device, Grant, NO_SESSION};
use crate::domain::status_lists;
use crate::domain::tokens::size::{TokenTooLarge, Transport};
use crate::store::engine::connection::Connection;
use crate::store::error::{StoreError, Unique};
use crate::store::sessions;
use crate::store::users;
use crate::store::users::User;

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The current password is another one.
    #[error("the current password is wrong")]
    WrongPassword(Option<Budget>),
    /// The current password was not looked at.
    #[error(transparent)]
    Guess(#[from] GuessError),
    /// Somebody else has just changed the account: look at it again.
    #[error("the account has just been changed")]
    Overtaken,
    /// Something breaks the rules.
    #[error("invalid: {0:?}")]
    Invalid(Vec<Invalid>),
    /// Somebody else has the name or the address.
    #[error("{0:?} is taken")]
    Taken(Unique),
    /// As many earlier names of the account rest as may.
    #[error("too many earlier names rest")]
    TooManyRenames,
    /// The new password could not be hashed.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The token of the new session would be too long.
    #[error(transparent)]
    TokenTooLarge(#[from] TokenTooLarge),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// The token could not be signed.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(what @ (Unique::Username | Unique::Email)) => Self::Taken(what),
            other => Self::Store(other),
        }
    }
}

/// What the names of an account are to be.
#[derive(Debug)]
pub struct NewNames {
    /// `None` leaves it.
    pub username: Option<String>,
    /// `None` leaves it, `Some(None)` takes it away.
    pub email: Option<Option<String>>,
}

impl Issuer {
    /// Changes the password. Every session of the account ends, the caller's too, and a new one begins.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change_password(
        &self,
        caller: &Caller,
        current: SecretString,
        new: SecretString,
        (device, transport): (Device, Transport),
    ) -> Result<Grant, ChangeError> {
        let user = &caller.user;
        let rules = self.policy.passwords.check(new.expose_secret(), &user.username, user.email.as_deref());
        rules.map_err(|invalid| ChangeError::Invalid(vec![Invalid { field: "new_password", ..invalid }]))?;
        let arrival = self.demand_password(EventKind::PasswordChanged, user, current, &device).await?;
        let hash = self.hasher.hash(arrival, new).await?;
        let audience: Vec<String> =
            caller.session.audience.split_ascii_whitespace().map(str::to_owned).collect();
        let mut session = self.new_session(user, &audience, device);
        session.number = self.take_number().await?;
        if let Err(too_large) = self.check_token_size(&session, user, &audience, transport) {
            if let Some(number) = session.number {
                self.lists.numbers.give_back(number);
            }
            return Err(too_large.into());
        }
        let (row, auth_version, until) = (session.clone(), user.auth_version, self.revoked_until());
        let change = move |db: &mut Connection| {
            if !users::set_password(db, &row.user_id, auth_version, &hash)? {
                return Err(ChangeError::Overtaken);
            }
            let ended = sessions::end_all(db, &row.user_id, NO_SESSION, row.created_at)?;
            sessions::insert(db, &row)?;
            Ok(status_lists::revoke(db, ended, until)?)
        };
        let event = Event::of(EventKind::PasswordChanged).to(&user.id).in_session(&session.id);
        let changed = self.write_recorded(change, |done| described(done, event)).await;
        if let (Err(ChangeError::Overtaken), Some(number)) = (&changed, session.number) {
            self.lists.numbers.give_back(number);
        }
        changed?;
        self.lists.announce();
        log::info!("{} ({}) has a new password", user.username, user.id);
        let scope = self.policy.roles.scope(user.roles());
        Ok(self.grant(&session, user, audience, scope)?)
    }

    /// Changes the user name or the address. Tokens that carry the old ones die at once; the sessions go on with their next
    /// refresh.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change_names(
        &self,
        caller: &Caller,
        current: SecretString,
        names: NewNames,
        device: &Device,
    ) -> Result<User, ChangeError> {
        let mut user = caller.user.clone();
        let mut mistakes = Vec::new();
        match names.username.as_deref().map(parse_username) {
            Some(Ok(username)) if username != user.username => {
                mistakes.extend(self.policy.names.refuse_reserved(&username).err());
                user.username = username;
            }
            Some(Err(invalid)) => mistakes.push(invalid),
            Some(Ok(_)) | None => {}
        }
        match names.email.map(|email| email.as_deref().map(parse_email).transpose()) {
            Some(Ok(email)) if email != user.email => {
                (user.email, user.email_verified) = (email, false);
            }
            Some(Err(invalid)) => mistakes.push(invalid),
            Some(Ok(_)) | None => {}
        }
        if !mistakes.is_empty() {
            return Err(ChangeError::Invalid(mistakes));
        }
        let names_it =
            self.policy.passwords.names(current.expose_secret(), &user.username, user.email.as_deref());
        self.demand_password(EventKind::AccountChanged, &caller.user, current, device).await?;
        if names_it {
            let message = "Your password is little more than this name or address, and attackers know those. Choose another \
                           name, or change the password first."
                .to_owned();
            return Err(ChangeError::Invalid(vec![Invalid {
                field: "username",
                code: "not_allowed",
                message,
            }]));
        }
        if (&user.username, &user.email) == (&caller.user.username, &caller.user.email) {
            return Ok(user);
        }
        let until = self.revoked_until();
        let changed = [
            (user.username != caller.user.username).then_some("username"),
            (user.email != caller.user.email).then_some("email"),
        ];
        let changed: Vec<&str> = changed.into_iter().flatten().collect();
        let event = Event::of(EventKind::AccountChanged).to(&user.id).with("changed", changed);
        let (rest, before) = (self.rest(), caller.user.clone());
        let change = move |db: &mut Connection| {
            let (user, numbers) = rename(db, &rest, &before, &user)?;
            status_lists::revoke(db, numbers, until)?;
            Ok(user)
        };
        let user = self.write_recorded(change, |done| described(done, event)).await?;
        self.lists.announce();
        log::info!("{} is the name of {} now", user.username, user.id);
        Ok(user)
    }

    /// Deletes the account with all its sessions.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn delete_account(
        &self,
        caller: &Caller,
        current: SecretString,
        device: &Device,
    ) -> Result<(), ChangeError> {
        self.demand_password(EventKind::AccountDeleted, &caller.user, current, device).await?;
        let event = Event::of(EventKind::AccountDeleted).to(&caller.user.id);
        let (id, auth_version) = (caller.user.id.clone(), caller.user.auth_version);
        let (now, until) = (self.now(), self.revoked_until());
        let (rest, user) = (self.rest(), caller.user.clone());
        let change = move |db: &mut Connection| {
            // Holds the account, so that no session begins after they were ended.
            if !users::hold(db, &id, auth_version)? {
                return Err(ChangeError::Overtaken);
            }
            sessions::hold_all(db, &id)?; // the deletion takes those with it that had ended before
            let ended = sessions::end_all(db, &id, NO_SESSION, now)?;
            users::delete(db, &id, auth_version)?;
            rest.release_all(db, &user)?;
            Ok(status_lists::revoke(db, ended, until)?)
        };
        self.write_recorded(change, |done| described(done, event)).await?;
        self.lists.announce();
        log::info!("{} ({}) deleted the account", caller.user.username, caller.user.id);
        Ok(())
    }

    /// `kind` is what the audit trail calls that for which it is demanded. Gives as what further hashes wait.
    async fn demand_password(
        &self,
        kind: EventKind,
        user: &User,
        password: SecretString,
        device: &Device,
    ) -> Result<Arrival, ChangeError> {
        let refused = |reason| Event::refused(kind, reason).to(&user.id);
        if !self.policy.passwords.is_possible(password.expose_secret()) {
            self.record(refused(Reason::ImpossiblePassword)).await;
            return Err(ChangeError::WrongPassword(None));
        }
        let source = Source::of(device.ip.as_deref());
        let attempt =
            Attempt { target: Target::Account(&user.id), identifier: &user.username, source: &source };
        let against = Against::Stored(user.password_hash.clone());
        let checked = self.check_password(attempt, password, against, Renewal::No).await;
        let reason = match &checked {
            Ok(Checked::Right { .. }) => None,
            Ok(Checked::Wrong(_)) => Some(Reason::WrongPassword),
            Err(error) => error.reason(),
        };
        if let Some(reason) = reason {
            self.record(refused(reason)).await;
        }
        match checked? {
            Checked::Right { arrival, .. } => Ok(arrival),
            Checked::Wrong(budget) => Err(ChangeError::WrongPassword(budget)),
        }
    }
}

/// Gives an account other names in one step: there is no moment at which the ones that it gives up are free. Also gives the
/// numbers that its sessions had, to be revoked at the end of the transaction.
fn rename(
    db: &mut Connection,
    rest: &Rest,
    before: &User,
    wanted: &User,
) -> Result<(User, Vec<Option<i64>>), ChangeError> {
    let new = Wanted::difference(wanted, before);
    let Some(user) = users::set_names(db, wanted)? else { return Err(ChangeError::Overtaken) };
    if new.username.is_some() {
        rest.begin_name(db, &user.id)?;
    }
    let numbers = sessions::drop_numbers(db, &[&user.id])?; // before names at rest: the order of locks
    if let Err(unavailable) = rest.take(db, &user.id, new)? {
        return Err(ChangeError::Taken(unavailable.what()));
    }
    let has_room = rest.release(db, before, Wanted::difference(before, wanted))?;
    if has_room { Ok((user, numbers)) } else { Err(ChangeError::TooManyRenames) }
}

/// What the audit trail says when a change was made, or somebody else was faster.
fn described<T>(done: &Result<T, ChangeError>, event: Event) -> Option<Event> {
    match done {
        Ok(_) => Some(event),
        Err(ChangeError::Overtaken) => Some(event.but(Reason::Overtaken)),
        Err(_) => None,
    }
}
