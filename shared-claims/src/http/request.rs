//! Verifies the token of a request.

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

/// The result of verifying a request's token without waiting.
#[cfg(feature = "actix")]
pub(crate) enum Attempt<'r> {
    /// The final result.
    Done(Result<AccessToken, AuthError>),
    /// The key or the status list is unknown: [`Verifier::verify`] may fetch it.
    NeedsFetch(&'r str),
}

impl Verifier {
    /// Finds the token of a request in this verifier's [`Sources`](crate::http::Sources), and [verifies](Self::verify) it.
    ///
    /// # Errors
    /// [`AuthError`], which has the response to send.
    pub async fn verify_request<R: Head>(&self, request: &R) -> Result<AccessToken, AuthError> {
        let token = self.find(request)?;
        self.verify(token).await.map_err(|refusal| self.auth_error(refusal))
    }

    /// Finds the token of a request. Logs why one that was sent is not read, because nothing else does.
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
    pub(crate) fn verify_request_now<'r, R: Head>(&self, request: &'r R) -> Attempt<'r> {
        let token = match self.find(request) {
            Ok(token) => token,
            Err(error) => return Attempt::Done(Err(error)),
        };
        match self.verify_now(token) {
            Err(Refusal::UnknownKey | Refusal::Unavailable) => Attempt::NeedsFetch(token),
            result => Attempt::Done(result.map_err(|refusal| self.auth_error(refusal))),
        }
    }
}
