//! The only place that maps failures to statuses. Internals go to the log, never to the client.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use service_kit::{FieldError, Problem};
use shared_claims::Verifier;
use shared_claims::error::Cause;

use crate::domain::accounts::change::ChangeError;
use crate::domain::accounts::register::RegisterError;
use crate::domain::authn::passwords::HashingError;
use crate::domain::authn::throttle::{AttemptError, Budget};
use crate::domain::clients::ClientGrantError;
use crate::domain::failure::DatabaseFailure;
use crate::domain::invalid::Invalid;
use crate::domain::keyring::KeyringError;
use crate::domain::policy::Policy;
use crate::domain::sessions::login::LoginError;
use crate::domain::sessions::refresh::RefreshError;
use crate::domain::sessions::session::AuthenticateError;
use crate::domain::tokens::admission::AdmissionError;
use crate::domain::tokens::size::{TokenTooLarge, Transport};
use crate::http::oauth::error::OAuthError;
use crate::http::request::rate_limits::too_many_requests;

/// `Retry-After` while the database is away.
const STORE_RETRY: u32 = 1;
/// `Retry-After` when too many passwords wait to be hashed.
const HASHING_RETRY: u32 = 2;

/// RFC 8707 section 2.
const INVALID_TARGET: &str = "invalid_target";

const TOKEN_TOO_LARGE: &str = "token_too_large";

/// `Retry-After` while the clock is in doubt.
const CLOCK_RETRY: u32 = 60;

/// The challenge to a client without a valid token (RFC 6750 section 3).
const CHALLENGE: &str = r#"Bearer realm="auth-service""#;

/// A failure outside the OAuth endpoints.
pub(super) trait IntoProblem {
    fn into_problem(self) -> Problem;
}

/// Failures of the database.
impl<E: Into<DatabaseFailure>> IntoProblem for E {
    fn into_problem(self) -> Problem {
        let failure = self.into();
        let level = if failure.is_logged() { log::Level::Debug } else { log::Level::Error };
        log::log!(level, "{failure}");
        if failure.is_outage() {
            Problem::unavailable("store_unavailable", "The database is unavailable.", STORE_RETRY)
        } else {
            Problem::internal()
        }
    }
}

impl IntoProblem for HashingError {
    fn into_problem(self) -> Problem {
        match self {
            Self::Overloaded => Problem::unavailable("overloaded", "Too many logins at once.", HASHING_RETRY),
            Self::Impossible => {
                log::error!("a password passed the rules and could not be hashed");
                Problem::internal()
            }
        }
    }
}

impl IntoProblem for KeyringError {
    fn into_problem(self) -> Problem {
        match self {
            Self::Store(error) => error.into_problem(),
            // The keyring closed while the request was being handled.
            Self::Closed => {
                let detail = "The service cannot sign right now.";
                Problem::unavailable("keys_not_loaded", detail, STORE_RETRY)
            }
            error => {
                log::error!("{error}");
                Problem::internal()
            }
        }
    }
}

impl IntoProblem for RegisterError {
    fn into_problem(self) -> Problem {
        match self {
            Self::Closed => {
                Problem::new(StatusCode::FORBIDDEN, "registration_closed", "Registration is closed.")
            }
            Self::Invalid(mistakes) => Problem::invalid(mistakes.into_iter().map(field_error).collect()),
            // A client cannot distinguish a resting name from one that is taken.
            Self::Taken(unique) | Self::Resting(unique) if unique.is_email() => {
                Problem::new(StatusCode::CONFLICT, "email_taken", "This address has an account.")
            }
            Self::Taken(_) | Self::Resting(_) => {
                Problem::new(StatusCode::CONFLICT, "username_taken", "This user name is taken.")
            }
            Self::Hashing(error) => error.into_problem(),
            Self::Store(error) => error.into_problem(),
        }
    }
}

/// The problem names the claim. Its code says whether the limit is that of verifiers or that of cookies.
impl IntoProblem for TokenTooLarge {
    fn into_problem(self) -> Problem {
        let code = match self.transport {
            Transport::Body => TOKEN_TOO_LARGE,
            Transport::Cookie => "cookie_too_large",
        };
        let detail = sentence(&self);
        let errors = vec![FieldError::new(self.claim, code, detail.clone())];
        Problem { code: TOKEN_TOO_LARGE, detail: detail.into(), ..Problem::invalid(errors) }
    }
}

impl From<TokenTooLarge> for OAuthError {
    fn from(error: TokenTooLarge) -> Self {
        Self::bad_request("invalid_request", sentence(&error))
    }
}

fn sentence(error: &TokenTooLarge) -> String {
    let TokenTooLarge { claim, .. } = error;
    let advice = match error.transport {
        Transport::Body => "Ask for less, or have an administrator make it shorter.",
        Transport::Cookie => "Log in without cookies, or have an administrator make it shorter.",
    };
    format!("The claim {claim} is too long: {error}. {advice}")
}

impl IntoProblem for LoginError {
    fn into_problem(self) -> Problem {
        match self {
            Self::InvalidCredentials(budget) => {
                let detail = "The user name or the password is wrong.";
                let problem = Problem::new(StatusCode::UNAUTHORIZED, "invalid_credentials", detail);
                // RFC 9110 section 15.5.2: every 401 has a challenge.
                let problem = problem.with_header(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
                with_budget(problem, budget)
            }
            Self::InvalidTarget => {
                let message = "These audiences are not served here, or not together.";
                let errors = vec![FieldError::new("resource", INVALID_TARGET, message)];
                Problem { code: INVALID_TARGET, detail: message.into(), ..Problem::invalid(errors) }
            }
            Self::TokenTooLarge(error) => error.into_problem(),
            Self::Attempt(error) => error.into_problem(),
            Self::Store(error) => error.into_problem(),
            Self::Keyring(error) => error.into_problem(),
        }
    }
}

impl IntoProblem for AttemptError {
    fn into_problem(self) -> Problem {
        match self {
            Self::TooMany(budget) => {
                let detail = "Too many wrong passwords. The right one works after a while.";
                let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", detail);
                let problem = problem.with_header(RETRY_AFTER, HeaderValue::from(budget.next_in));
                with_budget(problem, Some(budget))
            }
            Self::Hashing(error) => error.into_problem(),
            Self::Store(error) => error.into_problem(),
        }
    }
}

/// Adds how many attempts are left (draft-ietf-httpapi-ratelimit-headers), which is the same for a name without an account.
fn with_budget(problem: Problem, budget: Option<Budget>) -> Problem {
    let Some(Budget { attempts, window, left, next_in }) = budget else { return problem };
    let fields = [
        (HeaderName::from_static("ratelimit-policy"), format!(r#""passwords";q={attempts};w={window}"#)),
        (HeaderName::from_static("ratelimit"), format!(r#""passwords";r={left};t={next_in}"#)),
    ];
    fields.into_iter().fold(problem, |problem, (name, value)| match HeaderValue::try_from(value) {
        Ok(value) => problem.with_header(name, value),
        Err(_) => problem, // digits are visible
    })
}

impl IntoProblem for ChangeError {
    fn into_problem(self) -> Problem {
        match self {
            // Not 401: the token is valid, and a client that got a new one would fail again.
            Self::WrongPassword(budget) => {
                let detail = "The current password is wrong.";
                with_budget(Problem::new(StatusCode::FORBIDDEN, "invalid_credentials", detail), budget)
            }
            Self::Attempt(error) => error.into_problem(),
            Self::TokenTooLarge(error) => error.into_problem(),
            Self::Overtaken => {
                Problem::new(StatusCode::CONFLICT, "account_changed", "The account has just been changed.")
            }
            Self::Invalid(mistakes) => RegisterError::Invalid(mistakes).into_problem(),
            Self::Taken(what) => RegisterError::Taken(what).into_problem(),
            Self::TooManyRenames => {
                let detail = "Too many earlier names of this account are kept for it. Go back to one of them, or wait.";
                Problem::new(StatusCode::CONFLICT, "too_many_renames", detail)
            }
            Self::Hashing(error) => error.into_problem(),
            Self::Store(error) => error.into_problem(),
            Self::Keyring(error) => error.into_problem(),
        }
    }
}

/// Returns the problem where only the time decides and the clock is in doubt: a wrong answer could not be undone.
fn clock_in_doubt() -> Problem {
    let detail = "The time alone decides this, and the clock is in doubt.";
    Problem::unavailable("clock_in_doubt", detail, CLOCK_RETRY)
}

/// Returns the refusal of a protected route: the challenge of RFC 6750, or the failure of the database.
pub(super) fn refusal(verifier: &Verifier, error: AuthenticateError) -> actix_web::Error {
    match error {
        AuthenticateError::Refused(refusal) => verifier.auth_error(refusal).into(),
        AuthenticateError::NotAUser => {
            Problem::new(StatusCode::FORBIDDEN, "user_required", "This is for users, not for clients.").into()
        }
        AuthenticateError::CsrfToken => verifier.auth_error(Cause::CsrfToken).into(),
        AuthenticateError::ClockInDoubt => clock_in_doubt().into(),
        AuthenticateError::Store(error) => error.into_problem().into(),
    }
}

/// Returns the answer to a valid token that is not enough for this route: which audience is missing and how to get it, or the
/// challenge of RFC 6750 or RFC 9470.
pub(super) fn not_admitted(verifier: &Verifier, policy: &Policy, error: AdmissionError) -> actix_web::Error {
    let own = &policy.issuer;
    let advice = format!("Log in or refresh with resource={own}.");
    let detail = match error {
        AdmissionError::NotAmongAudiences => format!("The token's audiences must include {own}. {advice}"),
        AdmissionError::NotOnlyAudience => format!("The token's only audience must be {own}. {advice}"),
        AdmissionError::Denied(denied) => return verifier.auth_error(denied).into(),
        AdmissionError::ClockInDoubt => return clock_in_doubt().into(),
    };
    Problem::new(StatusCode::FORBIDDEN, "audience_missing", detail).into()
}

impl From<LoginError> for OAuthError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials(_) => {
                Self::bad_request("invalid_grant", "The user name or the password is wrong.")
            }
            LoginError::InvalidTarget => invalid_target(),
            LoginError::TokenTooLarge(error) => error.into(),
            other => other.into_problem().into(),
        }
    }
}

impl From<RefreshError> for OAuthError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::InvalidGrant => {
                Self::bad_request("invalid_grant", "The refresh token is not valid.")
            }
            RefreshError::TooMany(too_many) => {
                too_many_requests(too_many, "This session is refreshed too often, or all of its account are.")
                    .into()
            }
            RefreshError::CsrfToken => Cause::CsrfToken.into(),
            RefreshError::InvalidScope => {
                Self::bad_request("invalid_scope", "The scope is more than was granted.")
            }
            RefreshError::InvalidTarget => invalid_target(),
            RefreshError::TokenTooLarge(error) => error.into(),
            RefreshError::ClockInDoubt => clock_in_doubt().into(),
            RefreshError::Store(error) => error.into_problem().into(),
            RefreshError::Keyring(error) => error.into_problem().into(),
        }
    }
}

/// Why cookies do not count in a request to an OAuth endpoint. RFC 6749 has no codes for these causes.
impl From<Cause> for OAuthError {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::ForeignOrigin => {
                Self::forbidden("The Origin is missing, or not one that may use cookies here.")
            }
            Cause::CsrfToken => Self::forbidden("The header X-CSRF-Token must repeat the CSRF cookie."),
            Cause::MissingToken => Self::bad_request(
                "invalid_request",
                "The parameter refresh_token is missing, and no cookie __Secure-refresh came.",
            ),
            _ => Self::bad_request("invalid_request", "Send one refresh token, in one place."),
        }
    }
}

impl From<ClientGrantError> for OAuthError {
    fn from(error: ClientGrantError) -> Self {
        match error {
            ClientGrantError::InvalidClient => Self::invalid_client(),
            ClientGrantError::TooMany(too_many) => {
                too_many_requests(too_many, "This client asks for tokens too often.").into()
            }
            ClientGrantError::InvalidScope => {
                Self::bad_request("invalid_scope", "The scope is more than the client may have.")
            }
            ClientGrantError::InvalidTarget => invalid_target(),
            ClientGrantError::TokenTooLarge(error) => error.into(),
            ClientGrantError::Store(error) => error.into_problem().into(),
            ClientGrantError::Keyring(error) => error.into_problem().into(),
        }
    }
}

fn invalid_target() -> OAuthError {
    OAuthError::bad_request(INVALID_TARGET, "These resources are not served here, or not together.")
}

pub(super) fn field_error(mistake: Invalid) -> FieldError {
    FieldError::new(mistake.field, mistake.code, mistake.message)
}
