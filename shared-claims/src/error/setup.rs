//! What can be wrong with a set-up.

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
