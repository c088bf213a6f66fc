//! Why a token was refused, with a stable code for logs and metrics.

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
