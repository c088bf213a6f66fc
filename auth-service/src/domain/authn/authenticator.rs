//! Answers who a request comes from, and by which methods that was checked.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::accounts::addresses::spellings;
use crate::domain::accounts::usernames::parse_username;
use crate::domain::audit::Reason;
use crate::domain::authn::passwords::{Arrival, Candidate, Class, Hasher, HashingError};
use crate::domain::authn::proven::Proven;
use crate::domain::authn::source::Source;
use crate::domain::authn::stand_in::{StandIn, StandIns};
use crate::domain::authn::throttle::{Attempt, AttemptError, Budget, Outcome, Target, Throttle};
use crate::domain::clock::DatabaseClock;
use crate::domain::keyring::Keyring;
use crate::domain::policy::Policy;
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::users;
use crate::store::users::{Login, User};

/// Checks passwords, throttled by account and source.
pub struct Authenticator {
    store: Store,
    clock: DatabaseClock,
    keyring: Arc<Keyring>,
    hasher: Arc<Hasher>,
    /// `None` when wrong passwords are not counted.
    throttle: Option<Throttle>,
    stand_ins: StandIns,
    policy: Arc<Policy>,
}

/// A claim to be a user, with a password that is not checked yet.
pub struct Claim {
    name: String,
    password: SecretString,
    source: Source,
    account: Option<User>,
    /// The hash to compare with where there is no account.
    stand_in: Option<String>,
}

impl Claim {
    /// The account that the name belongs to, if any.
    #[must_use]
    pub fn account(&self) -> Option<&User> {
        self.account.as_ref()
    }
}

/// Why an identity was not proven.
#[derive(Debug, thiserror::Error)]
pub enum AuthnError {
    /// Unknown user, wrong password or disabled account. The client does not learn which.
    #[error("invalid credentials")]
    InvalidCredentials {
        /// Which of them it was, for the audit trail.
        reason: Reason,
        /// The attempts that are left; `None` when they are not counted.
        budget: Option<Budget>,
    },
    /// The password was not checked.
    #[error(transparent)]
    Attempt(#[from] AttemptError),
}

impl From<StoreError> for AuthnError {
    fn from(error: StoreError) -> Self {
        Self::Attempt(error.into())
    }
}

impl AuthnError {
    fn invalid(reason: Reason, budget: Option<Budget>) -> Self {
        Self::InvalidCredentials { reason, budget }
    }

    /// The reason for the audit trail; `None` for failures of the service.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::InvalidCredentials { reason, .. } => Some(*reason),
            Self::Attempt(error) => error.reason(),
        }
    }
}

/// The outcome of comparing a password.
enum Checked {
    Right { renewed_hash: Option<String>, arrival: Arrival },
    Wrong(Option<Budget>),
}

/// Whether an outdated hash is replaced, which costs another hash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Renewal {
    IfOutdated,
    Never,
}

impl Authenticator {
    /// Creates the authenticator over what it works with. Without `throttle`, wrong passwords are not counted.
    #[must_use]
    pub fn new(
        store: Store,
        clock: DatabaseClock,
        keyring: Arc<Keyring>,
        hasher: Arc<Hasher>,
        throttle: Option<Throttle>,
        policy: Arc<Policy>,
    ) -> Self {
        let stand_ins = StandIns::new(store.clone(), clock.clone());
        Self { store, clock, keyring, hasher, throttle, stand_ins, policy }
    }

    /// Finds the account that a name or an address belongs to.
    ///
    /// # Errors
    /// [`AuthnError`]: no account was looked up, since the password is impossible or too many requests for the name wait.
    pub(in crate::domain) async fn claim(
        &self,
        login: &Login,
        password: SecretString,
        source: Source,
    ) -> Result<Claim, AuthnError> {
        if !self.policy.passwords.is_possible(password.expose_secret()) {
            return Err(AuthnError::invalid(Reason::ImpossiblePassword, None));
        }
        let folded = folded(login);
        let (Login::Username(name) | Login::Email(name)) = folded.first().unwrap_or(login);
        if !self.hasher.admits(&Arrival::new(&source, name, Class::Other)) {
            // A flood for one name is refused before it costs the database anything.
            return Err(AttemptError::from(HashingError::Overloaded).into());
        }
        let name = name.clone();
        let (account, stand_in) = self.look_up(&name, folded).await?;
        let stand_in = self.stand_ins.remember(stand_in).await;
        Ok(Claim { name, password, source, account, stand_in })
    }

    /// Checks the password of a claim.
    ///
    /// An unknown name gets the answer of a wrong password, and costs what a certain account does. Only the holder of the
    /// master key can tell which: hashes may be of many kinds, and no kind reveals whether a name exists.
    ///
    /// # Errors
    /// [`AuthnError`].
    pub(in crate::domain) async fn authenticate(&self, claim: Claim) -> Result<Proven, AuthnError> {
        let Claim { name, password, source, account, stand_in } = claim;
        // Every name of an account is one target; an unknown name is counted in the same way.
        let target = account.as_ref().map_or(Target::UnknownName(&name), |user| Target::Account(&user.id));
        let candidate = match &account {
            Some(user) if user.disabled => Candidate::Decoy(Some(user.password_hash.clone())),
            Some(user) => Candidate::Stored(user.password_hash.clone()),
            None => Candidate::Decoy(stand_in),
        };
        let attempt = Attempt { target, identifier: &name, source: &source };
        let checked = self.check_password(attempt, password, candidate, Renewal::IfOutdated).await?;
        match (checked, account) {
            (Checked::Right { renewed_hash, arrival }, Some(user)) => {
                Ok(Proven::by_password(user, renewed_hash, arrival))
            }
            (Checked::Right { .. }, None) => Err(AuthnError::invalid(Reason::UnknownUser, None)),
            (Checked::Wrong(budget), None) => Err(AuthnError::invalid(Reason::UnknownUser, budget)),
            (Checked::Wrong(budget), Some(user)) => {
                let reason = if user.disabled { Reason::Disabled } else { Reason::WrongPassword };
                Err(AuthnError::invalid(reason, budget))
            }
        }
    }

    /// Checks the password of a known account again, before something that a stolen token must not be enough for.
    ///
    /// # Errors
    /// [`AuthnError`].
    pub(in crate::domain) async fn reauthenticate(
        &self,
        user: &User,
        password: SecretString,
        source: &Source,
    ) -> Result<Proven, AuthnError> {
        if !self.policy.passwords.is_possible(password.expose_secret()) {
            return Err(AuthnError::invalid(Reason::ImpossiblePassword, None));
        }
        let attempt = Attempt { target: Target::Account(&user.id), identifier: &user.username, source };
        let candidate = Candidate::Stored(user.password_hash.clone());
        match self.check_password(attempt, password, candidate, Renewal::Never).await? {
            Checked::Right { arrival, .. } => Ok(Proven::by_password(user.clone(), None, arrival)),
            Checked::Wrong(budget) => Err(AuthnError::invalid(Reason::WrongPassword, budget)),
        }
    }

    /// Finds the account with one of these names, and the stand-in of the name that was sent.
    async fn look_up(&self, name: &str, logins: Vec<Login>) -> Result<(Option<User>, StandIn), StoreError> {
        let (number, moment) = (self.keyring.number_of(name), self.clock.moment());
        let look_up = move |db: &mut Connection| {
            let mut found = None;
            for login in &logins {
                found = users::find(db, login)?;
                if found.is_some() {
                    break;
                }
            }
            Ok((found, StandIn::find(db, number, moment)?))
        };
        self.store.read(look_up).await
    }

    /// Checks a password, and counts it when it is wrong.
    async fn check_password(
        &self,
        attempt: Attempt<'_>,
        password: SecretString,
        candidate: Candidate,
        renewal: Renewal,
    ) -> Result<Checked, AttemptError> {
        let renew = renewal == Renewal::IfOutdated;
        let Some(throttle) = &self.throttle else {
            let arrival = attempt.arrival(Class::Other);
            let mut turn = self.hasher.turn(arrival).await?;
            let verification = self.hasher.verify(&mut turn, password, candidate, renew).await?;
            return Ok(if verification.correct {
                Checked::Right { renewed_hash: verification.renewed, arrival }
            } else {
                Checked::Wrong(None)
            });
        };
        let arrival = attempt.arrival(throttle.admit(attempt).await?);
        // Held until the outcome is stored: the next attempt for the same name from the same source depends on it.
        let mut turn = self.hasher.turn(arrival).await?;
        let pending = throttle.begin(attempt).await?;
        let verified = self.hasher.verify(&mut turn, password, candidate, renew).await;
        let outcome = match &verified {
            Ok(verification) if verification.correct => Outcome::Right,
            Ok(_) => Outcome::Wrong,
            Err(_) => Outcome::Withdrawn,
        };
        let budget = pending.decide(outcome).await?;
        let verification = verified?;
        Ok(if verification.correct {
            Checked::Right { renewed_hash: verification.renewed, arrival }
        } else {
            Checked::Wrong(budget)
        })
    }
}

/// Returns the forms under which an account may be stored, the likeliest first. Nothing for a name that no account can have:
/// the store is not asked for it.
fn folded(login: &Login) -> Vec<Login> {
    match login {
        Login::Username(username) => parse_username(username).map(Login::Username).into_iter().collect(),
        Login::Email(email) => spellings(email).into_iter().map(Login::Email).collect(),
    }
}
