//! Why a token was refused, and what can be wrong with a set-up; each refusal with a stable code.
//!
//! The codes are for logs and metrics. Clients are told less: see [`Answer`](crate::http::Answer).

pub use crate::{
    algorithm::UnknownAlgorithm,
    http::bearer::{AuthError, Cause},
};

/// Why a token was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not a token at all: the form, the header or a claim is wrong (RFC 7515, RFC 7519).
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The header's `typ` is not `at+jwt` (RFC 9068 section 4).
    #[error("not an access token")]
    Type,
    /// The header's `alg` is not one that the policy accepts, or not the key's own (RFC 8725 section 3.1).
    #[error("an algorithm that is not accepted for this key")]
    Algorithm,
    /// No key of this `kid` is known.
    #[error("an unknown key")]
    UnknownKey,
    /// The signature is not the key's.
    #[error("a wrong signature")]
    Signature,
    /// The token is bound to a key of its sender (`cnf`, RFC 7800), so it is not a plain bearer token.
    #[error("a sender-constrained token")]
    SenderConstrained,
    /// `iss` is another issuer.
    #[error("another issuer")]
    Issuer,
    /// `aud` names none of ours.
    #[error("another audience")]
    Audience,
    /// `exp` has passed, leeway included.
    #[error("expired")]
    Expired,
    /// `nbf` or `iat` lies in the future, leeway included.
    #[error("not valid yet")]
    NotYetValid,
    /// The session the token belongs to has ended: its place in the status list says so, or the service that knows.
    #[error("revoked")]
    Revoked,
    /// Not the token's fault: there are no keys or no status list to judge it by, or only ones that are too old.
    #[error("no usable keys or status list")]
    Unavailable,
}

impl Refusal {
    /// A short name that never changes.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Type => "type",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::SenderConstrained => "sender_constrained",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Revoked => "revoked",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A verifier cannot be set up like this. Each is a mistake in a setting, found before anything runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The issuer is empty.
    #[error("the issuer is empty")]
    NoIssuer,
    /// There is no verifier to choose from, or two are for the same issuer.
    #[error("one verifier for each issuer is needed")]
    Issuers,
    /// There is no audience, or an empty one; every token would be refused or every one accepted.
    #[error("at least one audience is needed, and none may be empty")]
    NoAudience,
    /// The list of algorithms is empty or holds `HS256`, which has no public keys.
    #[error("the algorithms must be some of ES256, EdDSA and RS256")]
    Algorithms,
    /// More leeway than 300 seconds keeps expired tokens alive.
    #[error("the leeway must not be longer than 300 seconds")]
    Leeway,
    /// RFC 7518 section 3.2 asks for a secret at least as long as the hash.
    #[error("the shared secret must have at least 32 bytes")]
    ShortSecret,
    /// A URL cannot be used; the second part says why.
    #[error("the URL {0:?} cannot be used: {1}")]
    Url(String, &'static str),
    /// The file of trusted certificates cannot be read as PEM, or holds none.
    #[error("the trusted certificates are not PEM, or there are none")]
    Certificates,
    /// The HTTP client cannot be built, usually for want of the system's trusted certificates.
    #[error("the HTTP client cannot be built: {0}")]
    HttpClient(String),
}

/// A key set is refused as a whole; single keys that are odd are left out instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Not a JSON object with a list `keys` (RFC 7517 section 5).
    #[error("not a JSON Web Key Set")]
    NotAKeySet,
    /// More than 100 keys.
    #[error("more than 100 keys")]
    TooMany,
    /// No key in it can verify anything.
    #[error("no usable key")]
    Empty,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_readme_says_of_every_code_what_is_answered() {
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
