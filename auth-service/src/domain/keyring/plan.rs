//! How keys are rotated, and how long what they sign lives.

use std::time::Duration;

use secrecy::SecretString;
use shared_claims::verifier::Algorithm;

/// How keys come and go.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What new access tokens are to be signed with. When replicas are set to different ones, the newest key wins.
    pub algorithm: Algorithm,
    /// For HS256 alone, whose key is never stored.
    pub shared_secret: Option<SecretString>,
    /// How long a key is in force.
    pub rotate_every: Duration,
    /// A new key is published for this long before it signs, so that every verifier knows it by then.
    pub publish_ahead: Duration,
    /// How long others may keep the key set without asking again.
    pub max_age: Duration,
    /// How long what is signed lives.
    pub lifetimes: Lifetimes,
}

/// How long what is signed lives, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// An access token.
    pub access_token: i64,
    /// A status list.
    pub status_list: i64,
}
