//! From a request to a verified token.

#[cfg(feature = "actix")]
use crate::error::refusal::Refusal;
use crate::{
    http::{
        bearer::{AuthError, Cause},
        head::{Field, Head},
    },
    shown::Shown,
    token::AccessToken,
    verifier::Verifier,
};

/// What is known of a request's token without waiting.
#[cfg(feature = "actix")]
pub(crate) enum Known<'r> {
    /// All there is to know.
    Judged(Result<AccessToken, AuthError>),
    /// Its key or its status list may be had by [`Verifier::verify`].
    Waits(&'r str),
}

impl Verifier {
    /// Finds the token where this verifier's [`Sources`](crate::http::Sources) say, and [verifies](Self::verify) it.
    ///
    /// # Errors
    /// What to answer instead.
    pub async fn verify_request<R: Head>(&self, request: &R) -> Result<AccessToken, AuthError> {
        let token = self.find(request)?;
        self.verify(token).await.map_err(|refusal| self.auth_error(refusal))
    }

    /// A token that is not looked at has no other trace; that there is none is no news.
    fn find<'r, R: Head>(&self, request: &'r R) -> Result<&'r str, AuthError> {
        self.sources().token_in(request).map_err(|cause| {
            if cause != Cause::MissingToken {
                let origin = request.values(Field::Origin).next().map(String::from_utf8_lossy);
                let origin = origin.unwrap_or("none".into());
                log::debug!("a request is refused: {cause}; Origin: {}", Shown(origin));
            }
            self.auth_error(cause)
        })
    }

    #[cfg(feature = "actix")]
    pub(crate) fn know_request<'r, R: Head>(&self, request: &'r R) -> Known<'r> {
        let token = match self.find(request) {
            Ok(token) => token,
            Err(error) => return Known::Judged(Err(error)),
        };
        match self.verify_known(token) {
            Err(Refusal::UnknownKey | Refusal::Unavailable) => Known::Waits(token),
            known => Known::Judged(known.map_err(|refusal| self.auth_error(refusal))),
        }
    }
}
