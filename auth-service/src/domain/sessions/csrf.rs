//! Sessions in a browser that keeps their tokens in cookies, and so sends them whoever wrote the page: a request that changes
//! something shows by a CSRF token that it knows the session, and a login takes the place of the session before it.

use secrecy::{ExposeSecret as _, SecretString};
use shared_claims::error::Refusal;

use crate::domain::audit::EventKind;
use crate::domain::sessions::session::AuthenticateError;
use crate::domain::sessions::session::Sessions;

/// The tokens that a browser brings to a login, of the session that it has until then.
#[derive(Debug, Default)]
pub struct Carried {
    /// It may have expired.
    pub access_token: Option<SecretString>,
    /// Of any generation; several when another host of the same site has set such a cookie too.
    pub refresh_tokens: Vec<SecretString>,
    /// Outlives the access token.
    pub csrf_token: Option<SecretString>,
}

impl Sessions {
    /// Sees that the CSRF token is this session's, where there must be one.
    ///
    /// # Errors
    /// [`AuthenticateError::CsrfToken`].
    pub(in crate::domain) fn check_csrf_token(
        &self,
        csrf_token: Option<&str>,
        session_id: &str,
    ) -> Result<(), AuthenticateError> {
        let good = csrf_token.is_none_or(|token| self.is_csrf_token_of(token, session_id));
        good.then_some(()).ok_or(AuthenticateError::CsrfToken)
    }

    /// Whether a CSRF token is genuine, and belongs to this session.
    pub(in crate::domain) fn is_csrf_token_of(&self, csrf_token: &str, session_id: &str) -> bool {
        self.keyring.decode_csrf_token(csrf_token).is_some_and(|named| named == session_id)
    }

    /// The one of several refresh tokens from cookies that is to be judged: of the CSRF token's session, and the newest of them.
    /// The others are not this page's, whoever set them, and are left alone. When none is of that session, a genuine one, which
    /// is then refused for its CSRF token; else any. `None` when there are none at all.
    #[must_use]
    pub fn choose_refresh_token(
        &self,
        candidates: Vec<SecretString>,
        csrf_token: &str,
    ) -> Option<SecretString> {
        let session = self.keyring.decode_csrf_token(csrf_token);
        let rank = |candidate: &SecretString| {
            let token = self.keyring.decode_refresh_token(candidate.expose_secret());
            token.map(|token| (Some(token.session_id) == session, token.generation))
        };
        candidates.into_iter().max_by_key(rank)
    }

    /// Ends the session that a CSRF token names: for a browser whose access token is gone, and which shows its refresh token
    /// to `/token` alone. Whoever holds a CSRF token may end what it belongs to, and nothing else.
    ///
    /// # Errors
    /// [`AuthenticateError::CsrfToken`] when it is not ours, [`Refusal::Revoked`] when the session had ended before.
    pub async fn logout_by_csrf_token(&self, csrf_token: &str) -> Result<(), AuthenticateError> {
        let session_id = self.keyring.decode_csrf_token(csrf_token).ok_or(AuthenticateError::CsrfToken)?;
        if self.end_session(session_id, EventKind::Logout).await? {
            Ok(())
        } else {
            Err(Refusal::Revoked.into())
        }
    }

    /// The sessions that a browser has: of each genuine token that it brings, which may be one of somebody else's making.
    pub(in crate::domain) fn sessions_of(&self, carried: &Carried) -> Vec<String> {
        let Carried { access_token, refresh_tokens, csrf_token } = carried;
        let by_access = access_token.as_ref().and_then(|token| {
            let token = self.tokens.verify_expired(token.expose_secret()).ok()?;
            token.sid.clone()
        });
        let by_refresh = refresh_tokens.iter().filter_map(|token| {
            self.keyring.decode_refresh_token(token.expose_secret()).map(|token| token.session_id)
        });
        let by_csrf =
            csrf_token.as_ref().and_then(|token| self.keyring.decode_csrf_token(token.expose_secret()));
        let mut sessions: Vec<String> =
            [by_access, by_csrf].into_iter().flatten().chain(by_refresh).collect();
        sessions.sort_unstable(); // the order in which they are held, so that two logins do not wait for each other
        sessions.dedup();
        sessions
    }
}
