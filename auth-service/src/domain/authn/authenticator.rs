//! Authentication by password: throttled, on the hashing threads, and at the same cost whether there is such an account or not.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::accounts::addresses::spellings;
use crate::domain::accounts::register::parse_username;
use crate::domain::audit::Reason;
use crate::domain::authn::passwords::{Against, Arrival, Class, Hasher, HashingError};
use crate::domain::authn::proven::Proven;
use crate::domain::authn::source::Source;
use crate::domain::authn::stand_in::StandIn;
use crate::domain::authn::throttle::{Attempt, Budget, Checked, GuessError, Guessing, Renewal, Target};
use crate::domain::clock::DatabaseClock;
use crate::domain::keyring::Keyring;
use crate::domain::policy::Policy;
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::users::{self, Login, User};

/// Checks who a user is.
pub struct Authenticator {
    /// Where accounts are looked up, and attempts counted.
    pub store: Store,
    /// The database's time.
    pub clock: DatabaseClock,
    /// Has the key that selects stand-ins.
    pub keyring: Arc<Keyring>,
    /// The threads that hash passwords.
    pub hasher: Arc<Hasher>,
    /// Counts wrong passwords; `None` if throttling is off.
    pub throttle: Option<Guessing>,
    /// Which passwords are possible.
    pub policy: Arc<Policy>,
}

/// Why a user is not authenticated.
#[derive(Debug, thiserror::Error)]
pub enum AuthnError {
    /// No such account, a wrong password, or a disabled account: the answer is the same.
    #[error("invalid credentials")]
    InvalidCredentials(Option<Budget>),
    /// The password was not checked.
    #[error(transparent)]
    Guess(#[from] GuessError),
}

/// The outcome of one attempt.
pub struct Attempted {
    /// The account that was named, if it exists.
    pub account: Option<User>,
    /// Why the audit trail says the attempt was refused. `None` when it was not, and when the store failed.
    pub reason: Option<Reason>,
    /// The proof.
    pub outcome: Result<Proven, AuthnError>,
}

impl Attempted {
    fn refused(reason: Reason, error: AuthnError) -> Self {
        Self { account: None, reason: Some(reason), outcome: Err(error) }
    }
}

impl Authenticator {
    /// Checks the password of the account with this name or address.
    ///
    /// An unknown name gets the answer of a wrong password, and costs what a certain account does, of which only the holder of
    /// the master key can tell which: the accounts' hashes may be of many kinds, and no kind tells a name that exists from one
    /// that does not.
    ///
    /// # Errors
    /// The store's, when no account can be looked up.
    pub async fn by_password(
        &self,
        login: &Login,
        password: SecretString,
        source: &Source,
    ) -> Result<Attempted, StoreError> {
        if !self.policy.passwords.is_possible(password.expose_secret()) {
            let error = AuthnError::InvalidCredentials(None);
            return Ok(Attempted::refused(Reason::ImpossiblePassword, error));
        }
        let folded = folded(login);
        let (Login::Username(name) | Login::Email(name)) = folded.first().unwrap_or(login);
        if !self.hasher.admits(&Arrival::new(source, name, Class::Other)) {
            // A flood for one name is refused before it costs the database anything.
            let error = GuessError::from(HashingError::Overloaded).into();
            return Ok(Attempted::refused(Reason::Overloaded, error));
        }
        let (asked, number, moment) = (folded.clone(), self.keyring.number_of(name), self.clock.moment());
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
        let decoy = self.settle_stand_in(stand_in).await;
        // Every name of an account is one target; an unknown name is counted in the same way.
        let target = found.as_ref().map_or(Target::Nobody(name), |user| Target::Account(&user.id));
        let against = match &found {
            Some(user) if user.disabled => Against::Decoy(Some(user.password_hash.clone())),
            Some(user) => Against::Stored(user.password_hash.clone()),
            None => Against::Decoy(decoy),
        };
        let attempt = Attempt { target, identifier: name, source };
        let checked = self.check_password(attempt, password, against, Renewal::Offered).await;
        let reason = why_not(&checked, found.as_ref());
        let outcome = match (checked, &found) {
            (Ok(Checked::Right { renewed, arrival }), Some(user)) => {
                Ok(Proven::new(user.clone(), renewed, arrival))
            }
            (Ok(Checked::Wrong(budget)), _) => Err(AuthnError::InvalidCredentials(budget)),
            (Ok(Checked::Right { .. }), None) => Err(AuthnError::InvalidCredentials(None)),
            (Err(error), _) => Err(error.into()),
        };
        Ok(Attempted { account: found, reason, outcome })
    }

    /// Checks the current password of a user who is logged in.
    pub async fn confirm(&self, user: &User, password: SecretString, source: &Source) -> Attempted {
        if !self.policy.passwords.is_possible(password.expose_secret()) {
            return Attempted::refused(Reason::ImpossiblePassword, AuthnError::InvalidCredentials(None));
        }
        let attempt = Attempt { target: Target::Account(&user.id), identifier: &user.username, source };
        let against = Against::Stored(user.password_hash.clone());
        let checked = self.check_password(attempt, password, against, Renewal::No).await;
        let reason = why_not(&checked, Some(user));
        let outcome = match checked {
            Ok(Checked::Right { renewed, arrival }) => Ok(Proven::new(user.clone(), renewed, arrival)),
            Ok(Checked::Wrong(budget)) => Err(AuthnError::InvalidCredentials(budget)),
            Err(error) => Err(error.into()),
        };
        Attempted { account: Some(user.clone()), reason, outcome }
    }
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

/// Under what the account may be stored, the likeliest first; nothing for what no account can be called, so that the store
/// is not asked for it.
fn folded(login: &Login) -> Vec<Login> {
    match login {
        Login::Username(username) => parse_username(username).map(Login::Username).into_iter().collect(),
        Login::Email(email) => spellings(email).into_iter().map(Login::Email).collect(),
    }
}
