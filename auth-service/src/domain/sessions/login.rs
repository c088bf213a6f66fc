//! Logging in: a password is checked, and a session begins.

use std::sync::Arc;

use secrecy::SecretString;

use crate::domain::accounts::roles::ADMIN;
use crate::domain::audit::{AuditContext, Event, EventKind, Reason};
use crate::domain::authn::authenticator::{Authenticator, AuthnError};
use crate::domain::authn::source::Source;
use crate::domain::authn::throttle::{AttemptError, Budget};
use crate::domain::change::Changes;
use crate::domain::keyring::KeyringError;
use crate::domain::policy::Policy;
use crate::domain::sessions::begin::{BeginError, PrepareError};
use crate::domain::sessions::csrf::Carried;
use crate::domain::sessions::device::Device;
use crate::domain::sessions::login_line::LoginLine;
use crate::domain::sessions::session::Grant;
use crate::domain::sessions::session::Sessions;
use crate::domain::tokens::size::{TokenTooLarge, Transport};
use crate::store::error::StoreError;
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
    /// The tokens that the browser presents. Their sessions end: one that an attacker planted is never continued.
    pub carried: Carried,
    /// How the tokens are handed over.
    pub transport: Transport,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Unknown account, wrong password, or disabled account: the client does not learn which.
    #[error("invalid credentials")]
    InvalidCredentials(Option<Budget>),
    /// An audience was asked for that this issuer does not serve, or that the account may not have beside others.
    #[error("unknown resource")]
    InvalidTarget,
    /// The account's token would be too long.
    #[error(transparent)]
    TokenTooLarge(#[from] TokenTooLarge),
    /// The password was not checked.
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token could not be signed.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

impl From<AuthnError> for LoginError {
    fn from(error: AuthnError) -> Self {
        match error {
            AuthnError::InvalidCredentials { budget, .. } => Self::InvalidCredentials(budget),
            AuthnError::Attempt(error) => Self::Attempt(error),
        }
    }
}

impl From<PrepareError> for LoginError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::TokenTooLarge(error) => Self::TokenTooLarge(error),
            PrepareError::Store(error) => Self::Store(error),
        }
    }
}

impl From<BeginError> for LoginError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Overtaken => Self::InvalidCredentials(None),
            BeginError::Store(error) => Self::Store(error),
        }
    }
}

impl LoginError {
    /// Why, for the log, where the audit trail says nothing more exact.
    fn log_reason(&self) -> &'static str {
        match self {
            Self::InvalidCredentials(_) => "invalid_credentials",
            Self::InvalidTarget => Reason::InvalidTarget.as_str(),
            Self::TokenTooLarge(_) => Reason::TokenTooLarge.as_str(),
            Self::Attempt(error) => error.reason().map_or("unavailable", Reason::as_str),
            Self::Store(_) | Self::Keyring(_) => "unavailable",
        }
    }
}

/// Logs users in with a password.
pub struct PasswordLogin {
    /// Checks the password.
    pub authenticator: Arc<Authenticator>,
    /// Begins the session.
    pub sessions: Arc<Sessions>,
    /// Records refusals.
    pub changes: Changes,
    /// Which audiences there are.
    pub policy: Arc<Policy>,
}

impl PasswordLogin {
    /// Checks a password and begins a session.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn login(&self, request: LoginRequest, device: Device) -> Result<Grant, LoginError> {
        let mut line = LoginLine::new(&device);
        let outcome = self.log_in(request, device, &mut line).await;
        line.end(outcome.as_ref().err().map(LoginError::log_reason));
        outcome
    }

    /// Fills in the line of the log.
    async fn log_in(
        &self,
        request: LoginRequest,
        device: Device,
        line: &mut LoginLine,
    ) -> Result<Grant, LoginError> {
        let LoginRequest { login, password, resource, carried, transport } = request;
        let audience = self.audience_for(resource)?;
        let source = Source::of(device.ip.as_deref());
        let claim = match self.authenticator.claim(&login, password, source).await {
            Ok(claim) => claim,
            Err(error) => return Err(self.refused(error, None, line).await),
        };
        let account = claim.account().map(|user| user.id.clone());
        line.found(claim.account());
        let proven = match self.authenticator.authenticate(claim).await {
            Ok(proven) => proven,
            Err(error) => return Err(self.refused(error, account.as_deref(), line).await),
        };
        let user = proven.user();
        AuditContext::proven(&user.id);
        if !self.may_have(user, &audience) {
            self.refuse(Reason::InvalidTarget, user).await;
            return Err(LoginError::InvalidTarget);
        }
        let replaced = self.sessions.sessions_of(&carried);
        let new = match self.sessions.prepare(&proven, &audience, device, transport).await {
            Err(PrepareError::TokenTooLarge(too_large)) => {
                self.refuse(Reason::TokenTooLarge, user).await;
                return Err(too_large.into());
            }
            prepared => prepared?,
        };
        let begun = self.sessions.begin(&proven, new, replaced).await;
        if let Err(BeginError::Overtaken) = &begun {
            line.refused_because(Reason::Overtaken);
        }
        let session = begun?;
        let scope = self.policy.roles.scope(user.roles());
        Ok(self.sessions.grant(&session, user, audience, scope)?)
    }

    /// Records why an identity was not proven, and sets the reason of the log line.
    async fn refused(&self, error: AuthnError, account: Option<&str>, line: &mut LoginLine) -> LoginError {
        if let Some(reason) = error.reason() {
            line.refused_because(reason);
            self.changes.record(Event::refused(EventKind::Login, reason).to_known(account)).await;
        }
        error.into()
    }

    async fn refuse(&self, reason: Reason, user: &User) {
        self.changes.record(Event::refused(EventKind::Login, reason).to(&user.id)).await;
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
