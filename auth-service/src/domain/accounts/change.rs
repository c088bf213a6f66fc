//! What the owner of an account changes: the password, the names, or that it exists. Each asks for the current password.

use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::accounts::addresses::parse_email;
use crate::domain::accounts::names::{Rest, Wanted};
use crate::domain::accounts::use_cases::Accounts;
use crate::domain::accounts::usernames::parse_username;
use crate::domain::audit::{Event, EventKind, Reason};
use crate::domain::authn::authenticator::AuthnError;
use crate::domain::authn::passwords::HashingError;
use crate::domain::authn::proven::Proven;
use crate::domain::authn::source::Source;
use crate::domain::authn::throttle::{AttemptError, Budget};
use crate::domain::change::Change;
use crate::domain::invalid::Invalid;
use crate::domain::keyring::KeyringError;
use crate::domain::sessions::begin::PrepareError;
use crate::domain::sessions::device::Device;
use crate::domain::sessions::session::{Caller, Grant};
use crate::domain::tokens::size::{TokenTooLarge, Transport};
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
    /// The current password was not checked.
    #[error(transparent)]
    Attempt(#[from] AttemptError),
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

impl From<AuthnError> for ChangeError {
    fn from(error: AuthnError) -> Self {
        match error {
            AuthnError::InvalidCredentials { budget, .. } => Self::WrongPassword(budget),
            AuthnError::Attempt(error) => Self::Attempt(error),
        }
    }
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(what @ (Unique::Username | Unique::Email)) => Self::Taken(what),
            other => Self::Store(other),
        }
    }
}

impl From<PrepareError> for ChangeError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::TokenTooLarge(error) => Self::TokenTooLarge(error),
            PrepareError::Store(error) => Self::Store(error),
        }
    }
}

/// What the names of an account are to be.
#[derive(Debug)]
pub struct NewNames {
    /// `None` leaves it.
    pub username: Option<String>,
    /// The address.
    pub email: EmailChange,
}

/// What a change does with the address of an account.
#[derive(Debug)]
pub enum EmailChange {
    /// Leaves it.
    Keep,
    /// Removes it.
    Remove,
    /// Replaces it.
    Set(String),
}

impl Accounts {
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
        let proven = self.demand_password(EventKind::PasswordChanged, user, current, &device).await?;
        let hash = self.hasher.hash(proven.arrival(), new).await?;
        let audience: Vec<String> =
            caller.session.audience.split_ascii_whitespace().map(str::to_owned).collect();
        let session = self.sessions.prepare(&proven, &audience, device, transport).await?;
        let (user_id, auth_version) = (user.id.clone(), user.auth_version);
        let set = move |change: &mut Change<'_>| {
            let event = Event::of(EventKind::PasswordChanged).to(&user_id).in_session(&session.session().id);
            if !users::set_password(change.db(), &user_id, auth_version, &hash)? {
                return Err(overtaken(change, event));
            }
            change.end_sessions_of(&user_id, None)?;
            let session = session.insert(change)?;
            change.record(event);
            Ok(session)
        };
        let session = self.changes.run(set).await?;
        log::info!("{} ({}) has a new password", user.username, user.id);
        let scope = self.policy.roles.scope(user.roles());
        Ok(self.sessions.grant(&session, user, audience, scope)?)
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
        let email = match names.email {
            EmailChange::Keep => None,
            EmailChange::Remove => Some(Ok(None)),
            EmailChange::Set(email) => Some(parse_email(&email).map(Some)),
        };
        match email {
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
        let changed = [
            (user.username != caller.user.username).then_some("username"),
            (user.email != caller.user.email).then_some("email"),
        ];
        let changed: Vec<&str> = changed.into_iter().flatten().collect();
        let event = Event::of(EventKind::AccountChanged).to(&user.id).with("changed", changed);
        let (rest, before) = (self.names.rest(), caller.user.clone());
        let user = self.changes.run(move |change| rename(change, &rest, &before, &user, event)).await?;
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
        let (rest, user) = (self.names.rest(), caller.user.clone());
        let delete = move |change: &mut Change<'_>| {
            let event = Event::of(EventKind::AccountDeleted).to(&user.id);
            // Holds the account, so that no session begins after they were ended.
            if !users::hold(change.db(), &user.id, user.auth_version)? {
                return Err(overtaken(change, event));
            }
            sessions::hold_all(change.db(), &user.id)?; // the deletion takes those with it that had ended before
            change.end_sessions_of(&user.id, None)?;
            users::delete(change.db(), &user.id, user.auth_version)?;
            rest.release_all(change.db(), &user)?;
            change.record(event);
            Ok(())
        };
        self.changes.run(delete).await?;
        log::info!("{} ({}) deleted the account", caller.user.username, caller.user.id);
        Ok(())
    }

    /// Checks the current password. `kind` is the event that is refused when it is wrong.
    async fn demand_password(
        &self,
        kind: EventKind,
        user: &User,
        password: SecretString,
        device: &Device,
    ) -> Result<Proven, ChangeError> {
        let source = Source::of(device.ip.as_deref());
        let proven = self.authenticator.reauthenticate(user, password, &source).await;
        if let Some(reason) = proven.as_ref().err().and_then(AuthnError::reason) {
            self.changes.record(Event::refused(kind, reason).to(&user.id)).await;
        }
        Ok(proven?)
    }
}

/// Gives an account other names in one step: there is no moment at which the ones that it gives up are free. Tokens that carry
/// them are revoked.
fn rename(
    change: &mut Change<'_>,
    rest: &Rest,
    before: &User,
    wanted: &User,
    event: Event,
) -> Result<User, ChangeError> {
    let new = Wanted::difference(wanted, before);
    let Some(user) = users::set_names(change.db(), wanted)? else { return Err(overtaken(change, event)) };
    if new.username.is_some() {
        rest.begin_name(change.db(), &user.id)?;
    }
    change.revoke_tokens_of(&[&user.id])?; // before names at rest: the order of locks
    if let Err(unavailable) = rest.take(change.db(), &user.id, new)? {
        return Err(ChangeError::Taken(unavailable.what()));
    }
    if !rest.release(change.db(), before, Wanted::difference(before, wanted))? {
        return Err(ChangeError::TooManyRenames);
    }
    change.record(event);
    Ok(user)
}

/// Another request was faster: the refusal is recorded in place of the event.
fn overtaken(change: &mut Change<'_>, event: Event) -> ChangeError {
    change.record_refusal(event.but(Reason::Overtaken));
    ChangeError::Overtaken
}
