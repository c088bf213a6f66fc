//! Which tokens the protected routes of this service accept: by audience, by the user's rights, and by the age of the login.
//!
//! Access tokens are sent to other services, so a token alone proves little here: a service that received one must not be able
//! to use it for the account's sessions or for the administration (docs/decisions/0020-tokens-for-this-service.md).

use std::sync::Arc;

use shared_claims::claims::Claims;
use shared_claims::guard::{Denied, login_within, role};

use crate::domain::accounts::roles::ADMIN;
use crate::domain::audit::{Event, EventKind, Reason};
use crate::domain::change::Changes;
use crate::domain::clock::DatabaseClock;
use crate::domain::policy::Policy;
use crate::domain::sessions::session::{Caller, Sessions};

/// Why a good token does not open a route of this service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// The issuer is not among the token's audiences.
    #[error("the issuer is not among the audiences")]
    NotAmongAudiences,
    /// The issuer is not the token's only audience.
    #[error("the issuer is not the only audience")]
    NotOnlyAudience,
    /// The user lacks the right, or logged in too long ago.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// By the clock the login is recent, and the clock is in doubt.
    #[error("the login may be too long ago, and the clock is in doubt")]
    ClockInDoubt,
}

/// Decides which routes of this service a verified token opens.
pub struct Admission {
    /// Knows the CSRF tokens of sessions.
    pub sessions: Arc<Sessions>,
    /// Records refusals.
    pub changes: Changes,
    /// What roles allow, and how long ago a login may be.
    pub policy: Arc<Policy>,
    /// The database's time.
    pub clock: DatabaseClock,
}

impl Admission {
    /// Admits a token with the issuer among its audiences, or one that came in a cookie beside the CSRF cookie of its session:
    /// for what its user sees and changes about their own account without a password.
    ///
    /// The access token alone is no sign of a browser: a service that was sent it in a header can put it into a cookie itself.
    /// The CSRF cookie is given to logins with cookies alone.
    ///
    /// # Errors
    /// [`AdmissionError::NotAmongAudiences`].
    pub fn admit_to_account(&self, caller: &Caller, csrf_cookie: Option<&str>) -> Result<(), AdmissionError> {
        let among = caller.token.aud.contains(&self.policy.issuer);
        let browser =
            csrf_cookie.is_some_and(|token| self.sessions.is_csrf_token_of(token, &caller.session.id));
        (among || browser).then_some(()).ok_or(AdmissionError::NotAmongAudiences)
    }

    /// Admits a token of an administrator with the issuer as its only audience. A refusal is recorded.
    ///
    /// # Errors
    /// [`AdmissionError::NotOnlyAudience`], or [`AdmissionError::Denied`] when the user is no administrator now.
    pub async fn admit_to_administration(&self, caller: &Caller) -> Result<(), AdmissionError> {
        let admitted = if self.is_only_audience(caller) {
            role(ADMIN).check(&self.current_claims(caller)).map_err(AdmissionError::from)
        } else {
            Err(AdmissionError::NotOnlyAudience)
        };
        let reason = match admitted {
            Ok(()) => return Ok(()),
            Err(AdmissionError::Denied(_)) => Reason::InsufficientRights,
            Err(_) => Reason::AudienceMissing,
        };
        self.changes.record(Event::refused(EventKind::AdminRefused, reason)).await;
        admitted
    }

    /// Demands that the user logged in at most `reauthenticate_within` ago, however often the session was refreshed since: for
    /// what gives rights, or a verified address, to somebody. A refusal is recorded.
    ///
    /// # Errors
    /// [`AdmissionError::Denied`], or [`AdmissionError::ClockInDoubt`] when the login may be too long ago because the clock was
    /// put back.
    pub async fn demand_recent_login(&self, caller: &Caller) -> Result<(), AdmissionError> {
        let rule = login_within(self.policy.reauthenticate_within);
        let (claims, moment) = (self.current_claims(caller), self.clock.moment());
        let check_at = |time: i64| rule.check_at(&claims, u64::try_from(time).unwrap_or(0));
        if let Err(denied) = check_at(moment.now) {
            self.changes.record(Event::refused(EventKind::AdminRefused, Reason::LoginTooOld)).await;
            return Err(denied.into());
        }
        if moment.in_doubt && check_at(moment.latest).is_err() {
            return Err(AdmissionError::ClockInDoubt);
        }
        Ok(())
    }

    fn is_only_audience(&self, caller: &Caller) -> bool {
        matches!(caller.token.aud.as_slice(), [only] if *only == self.policy.issuer)
    }

    /// The caller's claims with what the store says now, whatever the token says: roles, scope, and when the user logged in.
    fn current_claims(&self, caller: &Caller) -> Claims {
        let mut claims = Claims::clone(&caller.token);
        claims.roles = caller.user.roles().map(str::to_owned).collect();
        claims.scope = self.policy.roles.scope(caller.user.roles());
        claims.auth_time = u64::try_from(caller.session.created_at).ok();
        claims
    }
}
