//! The head of a request, for any framework.
//!
//! The adapters implement [`Head`] for their requests. An implementation for another framework's requests lets them be
//! verified in the same way.

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
///         Err(error) => error.answer().body, // use its status and headers too
///     }
/// }
/// ```
pub trait Head {
    /// Returns the method, as it was sent.
    fn method(&self) -> &str;

    /// Returns what follows the `?` in the target.
    fn query(&self) -> Option<&str>;

    /// Returns the host and port in the target, which HTTP/2 has instead of a `Host` header.
    fn authority(&self) -> Option<&str>;

    /// Returns the value of each header line with this name.
    fn values(&self, field: Field) -> impl Iterator<Item = &[u8]>;
}

/// A header that is read.
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
    /// Returns the header's name in lower case.
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
