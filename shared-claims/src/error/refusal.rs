//! The reasons for which a token is refused, with stable codes for logs and metrics.

/// The reason for which a token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not a well-formed token: the form, the header or a claim is wrong (RFC 7515, RFC 7519).
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The header's `typ` is not `at+jwt` (RFC 9068 section 4).
    #[error("not an access token")]
    Type,
    /// The header's `alg` is not accepted by the policy, or is not the key's own (RFC 8725 section 3.1).
    #[error("an algorithm that is not accepted for this key")]
    Algorithm,
    /// There is no key with this `kid`.
    #[error("an unknown key")]
    UnknownKey,
    /// The signature does not verify with the key.
    #[error("a wrong signature")]
    Signature,
    /// The token is bound to a key of its sender (`cnf`, RFC 7800), so it is not a bearer token.
    #[error("a sender-constrained token")]
    SenderConstrained,
    /// `iss` is another issuer.
    #[error("another issuer")]
    Issuer,
    /// `aud` names no audience of this service.
    #[error("another audience")]
    Audience,
    /// `exp` has passed, leeway included.
    #[error("expired")]
    Expired,
    /// `nbf` or `iat` lies in the future, leeway included.
    #[error("not valid yet")]
    NotYetValid,
    /// The session that the token belongs to has ended, according to the status list or to the application.
    #[error("revoked")]
    Revoked,
    /// The keys or the status list are missing or too old. The token may be valid.
    #[error("no usable keys or status list")]
    Unavailable,
}

impl Refusal {
    /// Returns a short name that never changes.
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
