//! The `Authorization` header in, the challenge out (RFC 6750, RFC 9110 section 11, RFC 9457). Pure: no
//! framework.
//!
//! Clients learn that a token expired, was revoked, or is not valid, and no more: which check failed is for
//! logs.

use std::{fmt::Write, sync::Arc};

use serde::Serialize;

use crate::{Denied, Refusal};

/// A request is not let through; [`answer`](Self::answer) says what to tell the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct AuthError {
    cause: Cause,
    realm: Arc<str>,
}

/// Why a request is not let through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// No credentials, or ones of another scheme.
    #[error("no bearer token")]
    MissingToken,
    /// More than one `Authorization` header, or one without a token in it.
    #[error("not one bearer token")]
    InvalidRequest,
    /// The token is not accepted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The token is good, but does not give this right.
    #[error(transparent)]
    Denied(#[from] Denied),
}

/// An HTTP answer, for any framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The value of `WWW-Authenticate`.
    pub www_authenticate: Option<String>,
    /// The value of `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// The body, of type `application/problem+json` (RFC 9457).
    pub body: String,
}

/// The token in the values of a request's `Authorization` headers.
///
/// # Errors
/// [`Cause::MissingToken`] or [`Cause::InvalidRequest`]; text that cannot be a token is [`Cause::Refused`].
pub fn token_in<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<&'a str, Cause> {
    let mut values = values.into_iter();
    let value = values.next().ok_or(Cause::MissingToken)?;
    if values.next().is_some() {
        return Err(Cause::InvalidRequest);
    }
    let scheme_ends = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, token) = value.split_at(scheme_ends);
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(Cause::MissingToken);
    }
    match str::from_utf8(token).map(|token| token.trim_matches(' ')) {
        Ok("") => Err(Cause::InvalidRequest),
        Ok(token) => Ok(token),
        Err(_) => Err(Refusal::Malformed("not text").into()),
    }
}

impl AuthError {
    /// The challenge names `realm`, as [`Policy::realm`](crate::Policy::realm) does for a verifier's own
    /// errors.
    #[must_use]
    pub fn new(cause: impl Into<Cause>, realm: &Arc<str>) -> Self {
        Self { cause: cause.into(), realm: Arc::clone(realm) }
    }

    /// Why.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// What to tell the client.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let row = self.cause.row();
        Answer {
            status: row.status,
            www_authenticate: (row.status != 503).then(|| self.challenge(&row)),
            retry_after: (row.status == 503).then_some(1),
            body: problem(row.status, row.detail, row.code),
        }
    }

    /// RFC 6750 section 3. A `scope` says it all; where there is none, the description does.
    fn challenge(&self, row: &Row) -> String {
        let mut challenge = String::from("Bearer");
        parameter(&mut challenge, " ", "realm", &self.realm);
        if let Some(error) = row.error {
            parameter(&mut challenge, ", ", "error", error);
            match &self.cause {
                Cause::Denied(denied) if !denied.scopes().is_empty() => {
                    parameter(&mut challenge, ", ", "scope", &denied.scopes().join(" "));
                }
                _ => parameter(&mut challenge, ", ", "error_description", row.detail),
            }
        }
        challenge
    }
}

/// Writes `name="value"` without what RFC 6750 section 3 does not allow in it: quotes, backslashes, all but
/// ASCII.
fn parameter(challenge: &mut String, separator: &str, name: &str, value: &str) {
    let allowed = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    let value: String = value.chars().filter(allowed).collect();
    let _ = write!(challenge, "{separator}{name}=\"{value}\""); // a String takes everything
}

struct Row {
    status: u16,
    error: Option<&'static str>,
    detail: &'static str,
    code: &'static str,
}

impl Cause {
    /// THE TABLE: which failure is which answer.
    fn row(&self) -> Row {
        let (status, error, detail, code) = match self {
            Self::MissingToken => (401, None, "This needs a bearer access token", "missing_token"),
            Self::InvalidRequest => (
                400,
                Some("invalid_request"),
                "Send one Authorization header with one token",
                "invalid_request",
            ),
            Self::Refused(Refusal::Unavailable) => {
                (503, None, "Tokens cannot be verified at the moment", "keys_unavailable")
            }
            Self::Refused(Refusal::Expired) => {
                (401, Some("invalid_token"), "The access token expired", "token_expired")
            }
            Self::Refused(Refusal::Revoked) => {
                (401, Some("invalid_token"), "The access token was revoked", "token_revoked")
            }
            Self::Refused(_) => {
                (401, Some("invalid_token"), "The access token is not valid", "invalid_token")
            }
            Self::Denied(_) => (
                403,
                Some("insufficient_scope"),
                "The access token does not give this right",
                "insufficient_scope",
            ),
        };
        Row { status, error, detail, code }
    }
}

/// A body as RFC 9457 describes it.
pub(crate) fn problem(status: u16, detail: &str, code: &str) -> String {
    #[derive(Serialize)]
    struct Problem<'a> {
        r#type: &'a str,
        title: &'a str,
        status: u16,
        detail: &'a str,
        code: &'a str,
    }
    let title = match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    };
    let problem = Problem { r#type: "about:blank", title, status, detail, code };
    serde_json::to_string(&problem).unwrap_or_default() // strings and a number: nothing here can fail
}
