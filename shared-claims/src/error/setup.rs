//! Errors in a configuration or in a key set.

/// An error in a verifier's configuration, found before anything runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The issuer is empty.
    #[error("the issuer is empty")]
    NoIssuer,
    /// There is no verifier, or two are for the same issuer.
    #[error("one verifier for each issuer is needed")]
    Issuers,
    /// There is no audience, or one is empty.
    #[error("at least one audience is needed, and none may be empty")]
    NoAudience,
    /// The list of algorithms is empty or holds `HS256`, which has no public keys.
    #[error("the algorithms must be some of ES256, EdDSA and RS256")]
    Algorithms,
    /// The leeway is longer than 300 seconds.
    #[error("the leeway must not be longer than 300 seconds")]
    Leeway,
    /// The secret is shorter than the hash (RFC 7518 section 3.2).
    #[error("the shared secret must have at least 32 bytes")]
    ShortSecret,
    /// A URL cannot be used. The second field is the reason.
    #[error("the URL {0:?} cannot be used: {1}")]
    Url(String, &'static str),
    /// The trusted certificates are not PEM, or there are none.
    #[error("the trusted certificates are not PEM, or there are none")]
    Certificates,
    /// The HTTP client cannot be built, usually because the system has no trusted certificates.
    #[error("the HTTP client cannot be built: {0}")]
    HttpClient(String),
}

/// An error that refuses a whole key set. Single keys that cannot be used are skipped instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Not a JSON object with a list `keys` (RFC 7517 section 5).
    #[error("not a JSON Web Key Set")]
    NotAKeySet,
    /// More than 100 keys.
    #[error("more than 100 keys")]
    TooMany,
    /// No key in it can be used.
    #[error("no usable key")]
    Empty,
}
