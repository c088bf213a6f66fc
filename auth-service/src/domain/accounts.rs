//! Accounts: how one comes to be, what its names may look like, and what operators do to it.

use email_address::EmailAddress;
use secrecy::{ExposeSecret as _, SecretString};

use super::audit::{Event, EventKind, Reason};
use super::passwords::{Arrival, Class, HashingError};
use super::sessions::NO_SESSION;
use super::source::Source;
use super::{Invalid, Issuer, random, revocation, rights};
use crate::store::users::{self, Login, User};
use crate::store::{Connection, StoreError, Unique, sessions};

/// RFC 5321 section 4.5.3.1.3, less the angle brackets.
const MAX_EMAIL_BYTES: usize = 254;

/// What somebody who registers says.
#[derive(Debug)]
pub struct Registration {
    /// 3 to 32 of letters, digits, `.`, `_`, `-`; upper case is folded.
    pub username: String,
    /// Taken as it is.
    pub password: SecretString,
    /// Folded to lower case.
    pub email: Option<String>,
    /// Roles from the start: only operators give any.
    pub roles: Vec<String>,
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

impl Issuer {
    /// Takes a new account from outside, which counts as a hash for `source`.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub async fn register(&self, registration: Registration, source: &Source) -> Result<User, RegisterError> {
        let made = if self.policy.registration_open {
            self.make_account(registration, EventKind::AccountRegistered, source).await
        } else {
            Err(RegisterError::Closed)
        };
        let reason = match &made {
            Err(RegisterError::Closed) => Some(Reason::Closed),
            Err(RegisterError::Taken(Unique::Email)) => Some(Reason::EmailTaken),
            Err(RegisterError::Taken(_)) => Some(Reason::UsernameTaken),
            Err(RegisterError::Hashing(HashingError::Overloaded)) => Some(Reason::Overloaded),
            _ => None,
        };
        if let Some(reason) = reason {
            self.record(Event::refused(EventKind::AccountRegistered, reason)).await;
        }
        made
    }

    /// Takes a new account from an operator, whether registration is open or not.
    ///
    /// # Errors
    /// [`RegisterError`], but never [`RegisterError::Closed`].
    pub async fn create_account(&self, registration: Registration) -> Result<User, RegisterError> {
        self.make_account(registration, EventKind::AccountCreated, &Source::LOCAL).await
    }

    async fn make_account(
        &self,
        registration: Registration,
        kind: EventKind,
        source: &Source,
    ) -> Result<User, RegisterError> {
        let Registration { username, password, email, roles } = registration;
        let checked = (parse_username(&username), email.as_deref().map(parse_email).transpose());
        let checked_password =
            self.policy.passwords.check(password.expose_secret(), &username, email.as_deref());
        let (username, email) = match (checked, checked_password) {
            ((Ok(username), Ok(email)), Ok(())) => (username, email),
            ((username, email), password) => {
                let mistakes = [username.err(), email.err(), password.err()];
                return Err(RegisterError::Invalid(mistakes.into_iter().flatten().collect()));
            }
        };
        // Looked up before anything is hashed: a taken name costs nobody's time. The insert decides in the end.
        let names = (username.clone(), email.clone());
        self.store.read(move |db| refuse_taken(db, &names.0, names.1.as_deref())).await?;
        let arrival = Arrival::new(source, &username, Class::Other);
        let user = User {
            id: random::id(),
            username,
            email,
            email_verified: false,
            password_hash: self.hasher.hash(arrival, password).await?,
            roles: rights::changed("", &roles, &[]),
            disabled: false,
            auth_version: 0,
            created_at: self.now(),
        };
        let row = user.clone();
        let event = Event::of(kind).to(&user.id).with("roles", user.roles.as_str());
        let insert = move |db: &mut Connection| Ok::<_, RegisterError>(users::insert(db, &row)?);
        self.write_recorded(insert, |done| done.is_ok().then_some(event)).await?;
        log::info!("registered {} ({})", user.username, user.id);
        Ok(user)
    }

    /// Disables or enables an account; disabling ends all its sessions. `None` when there is none of that name.
    ///
    /// # Errors
    /// The store's.
    pub async fn set_disabled(&self, username: &str, disabled: bool) -> Result<Option<User>, StoreError> {
        let (username, now, until) = (username.to_lowercase(), self.now(), self.revoked_until());
        let change = move |db: &mut Connection| {
            let user = users::set_disabled(db, &username, disabled)?;
            if let Some(user) = user.as_ref().filter(|_| disabled) {
                let ended = sessions::end_all(db, &user.id, NO_SESSION, now)?;
                revocation::revoke(db, ended, until)?;
            }
            Ok::<_, StoreError>(user)
        };
        let kind = if disabled { EventKind::AccountDisabled } else { EventKind::AccountEnabled };
        let describe = move |changed: &Result<Option<User>, StoreError>| {
            Some(Event::of(kind).to(&changed.as_ref().ok()?.as_ref()?.id))
        };
        let changed = self.write_recorded(change, describe).await?;
        self.lists.announce();
        Ok(changed)
    }

    /// Gives and takes roles. When any is taken away, the access tokens that are out die at once, and the sessions go on
    /// with their next refresh. `None` when there is no account of that name.
    ///
    /// # Errors
    /// The store's.
    pub async fn change_roles(
        &self,
        username: &str,
        add: Vec<String>,
        remove: Vec<String>,
    ) -> Result<Option<User>, StoreError> {
        let (username, until) = (username.to_lowercase(), self.revoked_until());
        let change = move |db: &mut Connection| {
            let Some(mut user) = users::hold_by_name(db, &username)? else { return Ok(None) };
            let (roles, before) = (rights::changed(&user.roles, &add, &remove), user.roles.clone());
            if roles == before {
                return Ok(Some((user, before)));
            }
            let fewer = user.roles().any(|role| !roles.split(' ').any(|kept| kept == role));
            users::set_roles(db, &user.id, &roles, fewer)?;
            if fewer {
                let numbers = sessions::drop_numbers(db, &user.id)?;
                revocation::revoke(db, numbers, until)?;
            }
            user.roles = roles;
            Ok::<_, StoreError>(Some((user, before)))
        };
        let describe = |changed: &Result<Option<(User, String)>, StoreError>| {
            let (user, before) = changed.as_ref().ok()?.as_ref()?;
            let event = Event::of(EventKind::RoleChanged).to(&user.id).with("roles", user.roles.as_str());
            (*before != user.roles).then(|| event.with("before", before.as_str()))
        };
        let changed = self.write_recorded(change, describe).await?;
        self.lists.announce();
        Ok(changed.map(|(user, _)| user))
    }
}

fn refuse_taken(db: &mut Connection, username: &str, email: Option<&str>) -> Result<(), RegisterError> {
    if users::find(db, &Login::Username(username.to_owned()))?.is_some() {
        return Err(RegisterError::Taken(Unique::Username));
    }
    match email {
        Some(email) if users::find(db, &Login::Email(email.to_owned()))?.is_some() => {
            Err(RegisterError::Taken(Unique::Email))
        }
        _ => Ok(()),
    }
}

/// A user name, folded: ASCII only, so that no two of them look alike.
pub(super) fn parse_username(text: &str) -> Result<String, Invalid> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (3..=32).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_ascii_lowercase());
    }
    let message = "A user name has 3 to 32 of these: letters, digits, `.`, `_`, `-`.".to_owned();
    Err(Invalid { field: "username", code: "not_allowed", message })
}

/// An address (RFC 5321), folded, so that one mailbox has one account. Letters of other alphabets that are folded into ASCII,
/// such as the Kelvin sign, are refused: another mailbox would have the same account.
pub(super) fn parse_email(text: &str) -> Result<String, Invalid> {
    let options = email_address::Options::default().without_display_text().without_domain_literal();
    let folds_into_ascii =
        |char: char| !char.is_ascii() && char.to_lowercase().any(|folded| folded.is_ascii());
    let odd = |char: char| char.is_control() || folds_into_ascii(char);
    let plain = text.len() <= MAX_EMAIL_BYTES && !text.contains(odd);
    match EmailAddress::parse_with_options(text, options) {
        Ok(_) if plain => Ok(text.to_lowercase()),
        _ => {
            let message = "This is not an e-mail address.".to_owned();
            Err(Invalid { field: "email", code: "not_allowed", message })
        }
    }
}
