//! Reads the `Authorization` header and writes the challenge (RFC 6750, RFC 9110 section 11, RFC 9457). Independent of any
//! framework.
//!
//! A client learns that a token expired, was revoked, or is not valid. Which check failed is only logged.

use std::{borrow::Cow, fmt::Write, sync::Arc};

use serde::Serialize;

use crate::{error::refusal::Refusal, guard::Denied};

/// A request is refused. [`answer`](Self::answer) returns the response to send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct AuthError {
    cause: Cause,
    realm: Arc<Realm>,
    cookie: Option<String>,
}

/// The parameters of a challenge besides the error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Realm {
    /// The name of the protected resource (RFC 9110 section 11.5).
    pub name: String,
    /// The URL of the resource's metadata (RFC 9728 section 5.1).
    pub metadata: Option<String>,
}

/// The reason for which a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// No credentials, or credentials of another scheme.
    #[error("no bearer token")]
    MissingToken,
    /// More than one `Authorization` header, or one without a token in it.
    #[error("not one bearer token")]
    InvalidRequest,
    /// More than one token: in several sources, or several in one.
    #[error("more than one token")]
    SeveralTokens,
    /// The token is in a cookie, and the request may come from another site's page: its `Origin` is missing, repeated, or not
    /// allowed.
    #[error("a token in a cookie from another site's page")]
    ForeignOrigin,
    /// The token is in a cookie, and the request does not repeat the CSRF cookie, which only a page of this site can read.
    #[error("a token in a cookie without the CSRF token")]
    CsrfToken,
    /// The token is not accepted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The token is valid, but does not give a required right.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The application is set up wrongly, so that tokens cannot be verified. Not the client's fault.
    #[error("not set up: {0}")]
    NotSetUp(&'static str),
}

/// An HTTP response, for any framework.
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

/// Returns the token in the values of a request's `Authorization` headers.
///
/// # Errors
/// [`Cause::MissingToken`] without bearer credentials, [`Cause::InvalidRequest`] for several headers or an empty token, and
/// [`Cause::Refused`] if the token is not UTF-8.
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

impl Realm {
    /// Creates a realm with this name and without metadata.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), metadata: None }
    }
}

impl AuthError {
    /// Creates an error whose challenge names `realm`. For a verifier's own errors, [`Policy::realm`](crate::Policy::realm)
    /// sets it.
    #[must_use]
    pub fn new(cause: impl Into<Cause>, realm: &Arc<Realm>) -> Self {
        Self { cause: cause.into(), realm: Arc::clone(realm), cookie: None }
    }

    /// Names the cookie that could have held the token, for the answer to a request without one: a browser does not show a page
    /// which cookies it has withheld.
    pub(crate) fn without_cookie(mut self, name: &str) -> Self {
        self.cookie = Some(name.to_owned());
        self
    }

    /// Returns the reason.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Returns the response to send to the client.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let row = self.cause.row();
        let detail = self.detail(&row);
        Answer {
            status: row.status,
            www_authenticate: self.challenge(&row),
            retry_after: (row.status == 503).then_some(1),
            body: problem(row.status, &detail, row.code),
        }
    }

    fn detail(&self, row: &Row) -> Cow<'static, str> {
        match (&self.cause, &self.cookie) {
            (Cause::MissingToken, Some(cookie)) => {
                let detail = row.detail;
                format!("{detail}: there is none in the Authorization header, and no cookie {cookie} came")
                    .into()
            }
            _ => row.detail.into(),
        }
    }

    /// Returns the challenge (RFC 6750 section 3). It has a description where it has no `scope`.
    fn challenge(&self, row: &Row) -> Option<String> {
        let error = match row.challenge {
            Challenge::None => return None,
            Challenge::Bare => None,
            Challenge::Error(error) => Some(error),
        };
        let mut challenge = String::from("Bearer");
        parameter(&mut challenge, " ", "realm", &self.realm.name);
        if let Some(error) = error {
            let (scopes, max_age) = match &self.cause {
                Cause::Denied(denied) => (denied.scopes(), denied.max_age()),
                _ => (&[][..], None),
            };
            parameter(&mut challenge, ", ", "error", error);
            if scopes.is_empty() || max_age.is_some() {
                parameter(&mut challenge, ", ", "error_description", row.detail);
            }
            if !scopes.is_empty() {
                parameter(&mut challenge, ", ", "scope", &scopes.join(" "));
            }
            if let Some(seconds) = max_age {
                parameter(&mut challenge, ", ", "max_age", &seconds.to_string()); // RFC 9470 section 3
            }
        }
        if let Some(url) = &self.realm.metadata {
            parameter(&mut challenge, ", ", "resource_metadata", url);
        }
        Some(challenge)
    }
}

/// Writes `name="value"`, without the characters that RFC 6750 section 3 forbids: quotes, backslashes, and everything but
/// visible ASCII and spaces.
fn parameter(challenge: &mut String, separator: &str, name: &str, value: &str) {
    let allowed = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    let value: String = value.chars().filter(allowed).collect();
    let _ = write!(challenge, "{separator}{name}=\"{value}\""); // writing to a String cannot fail
}

struct Row {
    status: u16,
    challenge: Challenge,
    detail: &'static str,
    code: &'static str,
}

/// The challenge in `WWW-Authenticate`.
#[derive(Clone, Copy)]
enum Challenge {
    /// No challenge: a token would not help.
    None,
    /// A challenge without an error: a token is needed.
    Bare,
    /// The error with the token that was sent.
    Error(&'static str),
}

impl Cause {
    /// THE TABLE of the response to each cause.
    fn row(&self) -> Row {
        use Challenge::{Bare, Error, None};
        let (status, challenge, detail, code) = match self {
            Self::MissingToken => (401, Bare, "This needs a bearer access token", "missing_token"),
            Self::InvalidRequest => (
                400,
                Error("invalid_request"),
                "Send one Authorization header with one token",
                "invalid_request",
            ),
            Self::SeveralTokens => {
                (400, Error("invalid_request"), "Send one token, in one place", "invalid_request")
            }
            Self::ForeignOrigin => {
                (403, None, "The Origin is missing, or not one that may use cookies here", "foreign_origin")
            }
            Self::CsrfToken => {
                (403, None, "The header X-CSRF-Token must repeat the CSRF cookie", "csrf_token")
            }
            Self::Refused(Refusal::Unavailable) => {
                (503, None, "Tokens cannot be verified at the moment", "keys_unavailable")
            }
            Self::Refused(Refusal::Expired) => {
                (401, Error("invalid_token"), "The access token expired", "token_expired")
            }
            Self::Refused(Refusal::Revoked) => {
                (401, Error("invalid_token"), "The access token was revoked", "token_revoked")
            }
            Self::Refused(_) => {
                (401, Error("invalid_token"), "The access token is not valid", "invalid_token")
            }
            Self::Denied(denied) if denied.max_age().is_some() => (
                401,
                Error("insufficient_user_authentication"),
                "A more recent login is required",
                "insufficient_user_authentication",
            ),
            Self::Denied(_) => (
                403,
                Error("insufficient_scope"),
                "The access token does not give this right",
                "insufficient_scope",
            ),
            Self::NotSetUp(_) => (500, None, "This service is not set up correctly", "internal_error"),
        };
        Row { status, challenge, detail, code }
    }
}

/// Returns a problem document (RFC 9457).
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
        405 => "Method Not Allowed",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    };
    let problem = Problem { r#type: "about:blank", title, status, detail, code };
    serde_json::to_string(&problem).unwrap_or_default() // strings and a number: serialising cannot fail
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_readme_has_the_answer_to_every_code() {
        let all = [
            Refusal::Malformed("x"),
            Refusal::Type,
            Refusal::Algorithm,
            Refusal::UnknownKey,
            Refusal::Signature,
            Refusal::SenderConstrained,
            Refusal::Issuer,
            Refusal::Audience,
            Refusal::Expired,
            Refusal::NotYetValid,
            Refusal::Revoked,
            Refusal::Unavailable,
        ];
        let readme = include_str!("../../README.md");
        for refusal in all {
            let code = refusal.code();
            let answer = AuthError::new(refusal, &Arc::default()).answer();
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            let row = format!("| `{code}` | {} | `{}` |", answer.status, body["code"].as_str().unwrap());
            assert!(readme.contains(&row), "{row}");
            let challenged =
                answer.www_authenticate.is_some_and(|text| text.contains("error=\"invalid_token\""));
            assert_eq!(challenged, answer.status == 401, "{code}");
        }
    }
}
