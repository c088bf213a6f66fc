//! What the owner of an account changes: the password, the names, or that it exists. Each asks for the current password.

use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::accounts::addresses::parse_email;
use crate::domain::accounts::names::{Rest, Wanted};
use crate::domain::accounts::register::parse_username;
use crate::domain::audit::{Event, EventKind, Reason};
use crate::domain::authn::passwords::{Against, Arrival, HashingError};
use crate::domain::authn::source::Source;
use crate::domain::authn::throttle::{Attempt, Budget, Checked, GuessError, Renewal, Target};
use crate::domain::change::Change;
use crate::domain::invalid::Invalid;
use crate::domain::issuer::Issuer;
use crate::domain::keyring::KeyringError;
use crate::domain::sessions::session::{Caller, Device, Grant};
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
    pub email: EmailChange,
}

/// A change of the e-mail address of an account.
#[derive(Debug)]
pub enum EmailChange {
    /// The address stays as it is.
    Keep,
    /// The account has no address any more.
    Remove,
    /// The account has this address.
    Set(String),
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
        let index = self.changes.reserve_index().await?;
        let mut session = self.new_session(user, &audience, device);
        session.status_index = index.get();
        self.check_token_size(&session, user, &audience, transport)?;
        let (row, auth_version) = (session.clone(), user.auth_version);
        let set = move |change: &mut Change<'_>| {
            let event = Event::of(EventKind::PasswordChanged).to(&row.user_id).in_session(&row.id);
            if !users::set_password(change.db(), &row.user_id, auth_version, &hash)? {
                return Err(overtaken(change, event));
            }
            change.end_sessions_of(&row.user_id, None)?;
            sessions::insert(change.db(), &row)?;
            change.keep(index);
            change.record(event);
            Ok(())
        };
        self.changes.run(set).await?;
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
        let email = match &names.email {
            EmailChange::Keep => Ok(user.email.clone()),
            EmailChange::Remove => Ok(None),
            EmailChange::Set(email) => parse_email(email).map(Some),
        };
        match email {
            Ok(email) if email != user.email => (user.email, user.email_verified) = (email, false),
            Ok(_) => {}
            Err(invalid) => mistakes.push(invalid),
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
        let (rest, before) = (self.rest(), caller.user.clone());
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
        let (rest, user) = (self.rest(), caller.user.clone());
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
