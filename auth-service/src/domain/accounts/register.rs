//! Accounts: how one comes to be, what its names may look like, and what operators do to it.

use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::accounts::addresses::parse_email;
use crate::domain::accounts::names::{Unavailable, Wanted};
use crate::domain::accounts::operators::{
    AccountRef, NamedAccount, OperatorError, hold_named, revoke_tokens_of, take_unproven_addresses,
};
use crate::domain::accounts::roles;
use crate::domain::accounts::use_cases::Accounts;
use crate::domain::accounts::usernames::parse_username;
use crate::domain::audit::{Event, EventKind, Reason};
use crate::domain::authn::passwords::{Arrival, Class, HashingError};
use crate::domain::authn::source::Source;
use crate::domain::change::Change;
use crate::domain::invalid::Invalid;
use crate::domain::random;
use crate::store::engine::connection::Connection;
use crate::store::error::{StoreError, Unique};
use crate::store::users;
use crate::store::users::User;

/// What somebody who registers says.
#[derive(Debug)]
pub struct Registration {
    /// 3 to 32 of letters, digits, `.`, `_`, `-`; upper case is folded.
    pub username: String,
    /// Taken as it is.
    pub password: SecretString,
    /// In any spelling.
    pub email: Option<String>,
    /// Roles from the start: only operators give any.
    pub roles: Vec<String>,
}

/// What an operator says about a new account beside the registration.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByOperator {
    /// The address is known to be the owner's.
    pub email_verified: bool,
    /// Names that rest for a former owner may be taken.
    pub allow_resting: bool,
}

/// Why there is no new account.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The operator takes no registrations.
    #[error("registration is closed")]
    Closed,
    /// Something breaks the rules.
    #[error("invalid: {0:?}")]
    Invalid(Vec<Invalid>),
    /// Somebody else has the name or the address.
    #[error("{0:?} is taken")]
    Taken(Unique),
    /// It rests for a former owner. Only operators see this error.
    #[error("{0:?} was another account's until recently, and rests")]
    Resting(Unique),
    /// No hash could be made.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for RegisterError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(what @ (Unique::Username | Unique::Email)) => Self::Taken(what),
            other => Self::Store(other),
        }
    }
}

impl From<Unavailable> for RegisterError {
    fn from(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::Taken(what) => Self::Taken(what),
            Unavailable::Resting(what) => Self::Resting(what),
        }
    }
}

impl Accounts {
    /// Takes a new account from outside, which counts as a hash for `source`.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub async fn register(&self, registration: Registration, source: &Source) -> Result<User, RegisterError> {
        let made = if self.policy.registration_open {
            let made = self.make_account(registration, None, source).await;
            // The answer does not tell a resting name from a taken one.
            made.map_err(|error| match error {
                RegisterError::Resting(what) => RegisterError::Taken(what),
                other => other,
            })
        } else {
            Err(RegisterError::Closed)
        };
        let reason = match &made {
            Err(RegisterError::Closed) => Some(Reason::Closed),
            Err(RegisterError::Taken(Unique::Email)) => Some(Reason::EmailTaken),
            Err(RegisterError::Taken(_) | RegisterError::Resting(_)) => Some(Reason::UsernameTaken),
            Err(RegisterError::Hashing(HashingError::Overloaded)) => Some(Reason::Overloaded),
            _ => None,
        };
        if let Some(reason) = reason {
            self.changes.record(Event::refused(EventKind::AccountRegistered, reason)).await;
        }
        made
    }

    /// Takes a new account from an operator, whether registration is open or not. Reserved names are free to them.
    ///
    /// # Errors
    /// [`RegisterError`], but never [`RegisterError::Closed`].
    pub async fn create_account(&self, registration: Registration) -> Result<User, RegisterError> {
        self.create_account_with(registration, ByOperator::default()).await
    }

    /// The same, with what only operators may say. A verified address is taken from an account for which it is not.
    ///
    /// # Errors
    /// As [`Self::create_account`].
    pub async fn create_account_with(
        &self,
        registration: Registration,
        by: ByOperator,
    ) -> Result<User, RegisterError> {
        self.make_account(registration, Some(by), &Source::LOCAL).await
    }

    /// `by` is `None` for a registration.
    async fn make_account(
        &self,
        registration: Registration,
        by: Option<ByOperator>,
        source: &Source,
    ) -> Result<User, RegisterError> {
        let Registration { username, password, email, roles } = registration;
        let ByOperator { email_verified, allow_resting } = by.unwrap_or_default();
        let parsed = parse_username(&username).and_then(|username| {
            let rules = if by.is_some() { Ok(()) } else { self.policy.names.refuse_reserved(&username) };
            rules.map(|()| username)
        });
        let checked = (parsed, email.as_deref().map(parse_email).transpose());
        let checked_password =
            self.policy.passwords.check(password.expose_secret(), &username, email.as_deref());
        let (username, email) = match (checked, checked_password) {
            ((Ok(username), Ok(email)), Ok(())) => (username, email),
            ((username, email), password) => {
                let mistakes = [username.err(), email.err(), password.err()];
                return Err(RegisterError::Invalid(mistakes.into_iter().flatten().collect()));
            }
        };
        let verified = email_verified && email.is_some();
        // Looked up before anything is hashed: a taken name costs nobody's time. The insert decides in the end.
        let (rest, names) = (self.names.rest(), (username.clone(), email.clone()));
        let look_ahead = move |db: &mut Connection| {
            let (username, email) = (Some(names.0.as_str()), names.1.as_deref());
            rest.look_ahead(db, Wanted { username, email, verified, allow_resting })
        };
        if let Some(unavailable) = self.store.read(look_ahead).await? {
            return Err(unavailable.into());
        }
        // There is no account yet whose hashes would be counted: the share of the source bounds them.
        let id = random::id();
        let arrival = Arrival::new(source, &id, Class::Other);
        let user = User {
            id,
            username,
            email,
            email_verified: verified,
            password_hash: self.hasher.hash(arrival, password).await?,
            roles: roles::changed("", &roles, &[]),
            disabled: false,
            auth_version: 0,
            created_at: self.clock.now(),
        };
        let kind = if by.is_some() { EventKind::AccountCreated } else { EventKind::AccountRegistered };
        let event = Event::of(kind).to(&user.id).with("roles", user.roles.as_str());
        self.insert_account(user.clone(), allow_resting, event).await?;
        log::info!("registered {} ({})", user.username, user.id);
        Ok(user)
    }

    async fn insert_account(&self, row: User, allow_resting: bool, made: Event) -> Result<(), RegisterError> {
        let rest = self.names.rest();
        let insert = move |change: &mut Change<'_>| {
            if row.email_verified {
                // Before the account that may lose the address: the order of locks.
                users::will_insert_several(change.db())?;
            }
            let displaced = take_unproven_addresses(change.db(), [&row])?;
            users::insert(change.db(), &row)?;
            revoke_tokens_of(change, &displaced)?;
            rest.take(change.db(), &row.id, Wanted::all_of(&row, allow_resting))??;
            for user in &displaced {
                change.record(Event::email_freed(&user.id, "verified_elsewhere"));
            }
            change.record(made);
            Ok(())
        };
        self.changes.run(insert).await
    }

    /// Disables or enables an account; disabling ends all its sessions. `None` when there is none of that name or id.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn set_disabled(
        &self,
        account: impl Into<AccountRef>,
        disabled: bool,
    ) -> Result<Option<NamedAccount>, OperatorError> {
        let (account, since) = (account.into(), self.names.rest().since());
        let kind = if disabled { EventKind::AccountDisabled } else { EventKind::AccountEnabled };
        let set = move |change: &mut Change<'_>| {
            let Some(mut named) = hold_named(change.db(), &account, since)? else { return Ok(None) };
            if let Some(user) = users::set_disabled(change.db(), &named.user.id, disabled)? {
                named.user = user;
            }
            if disabled {
                change.end_sessions_of(&named.user.id, None)?;
            }
            change.record(Event::of(kind).to(&named.user.id));
            Ok(Some(named))
        };
        self.changes.run(set).await
    }

    /// Gives and takes roles. When any is taken away, the access tokens that are out die at once, and the sessions go on
    /// with their next refresh. `None` when there is no account of that name or id.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn change_roles(
        &self,
        account: impl Into<AccountRef>,
        add: Vec<String>,
        remove: Vec<String>,
    ) -> Result<Option<NamedAccount>, OperatorError> {
        let (account, since) = (account.into(), self.names.rest().since());
        let set = move |change: &mut Change<'_>| {
            let Some(mut named) = hold_named(change.db(), &account, since)? else { return Ok(None) };
            let user = &mut named.user;
            let roles = roles::changed(&user.roles, &add, &remove);
            if roles == user.roles {
                return Ok(Some(named));
            }
            let fewer = user.roles().any(|role| !roles.split(' ').any(|kept| kept == role));
            users::set_roles(change.db(), &user.id, &roles, fewer)?;
            if fewer {
                change.revoke_tokens_of(&[&user.id])?;
            }
            let event = Event::of(EventKind::RoleChanged).to(&user.id).with("roles", roles.as_str());
            change.record(event.with("before", user.roles.as_str()));
            user.roles = roles;
            Ok(Some(named))
        };
        self.changes.run(set).await
    }
}
