//! What is looked at in a request, whatever framework it is of.
//!
//! The adapters implement [`Head`] for their requests; with an implementation for another framework's, its requests are
//! verified in the same way.

#[cfg(feature = "actix")]
use crate::error::Refusal;
use crate::{
    AccessToken, Verifier,
    error::{AuthError, Cause},
    shown::Shown,
};

/// The head of a request.
///
/// ```
/// # use shared_claims::{Policy, Verifier, verifier::KeySet};
/// use shared_claims::http::{Field, Head};
///
/// struct MyRequest {
///     headers: Vec<(String, String)>,
/// }
///
/// impl Head for MyRequest {
///     fn method(&self) -> &str {
///         "GET"
///     }
///
///     fn query(&self) -> Option<&str> {
///         None
///     }
///
///     fn authority(&self) -> Option<&str> {
///         None
///     }
///
///     fn values(&self, field: Field) -> impl Iterator<Item = &[u8]> {
///         let found = self.headers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(field.name()));
///         found.map(|(_, value)| value.as_bytes())
///     }
/// }
///
/// async fn handle(request: &MyRequest, verifier: &Verifier) -> String {
///     match verifier.verify_request(request).await {
///         Ok(token) => format!("Welcome, {}!", token.name()),
///         Err(error) => error.answer().body, // and its status and headers
///     }
/// }
/// ```
pub trait Head {
    /// The method, as it was sent.
    fn method(&self) -> &str;

    /// What follows the `?` in the target.
    fn query(&self) -> Option<&str>;

    /// The host and port in the target itself, where HTTP/2 has it instead of a `Host` header.
    fn authority(&self) -> Option<&str>;

    /// The values of all header lines of this name, one by one.
    fn values(&self, field: Field) -> impl Iterator<Item = &[u8]>;
}

/// A header that may be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `Authorization`
    Authorization,
    /// `Cookie`
    Cookie,
    /// `Host`
    Host,
    /// `Origin`
    Origin,
    /// `X-CSRF-Token`
    CsrfToken,
}

impl Field {
    /// The header's name in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Cookie => "cookie",
            Self::Host => "host",
            Self::Origin => "origin",
            Self::CsrfToken => "x-csrf-token",
        }
    }
}

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
