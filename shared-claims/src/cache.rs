//! A cache of verified tokens, by their whole text. The [verifier](crate::Verifier) checks again at each use what can change:
//! expiry, revocation and the key. The form, the signature and the claims cannot change.
//!
//! Only verified tokens are stored, so forged ones can neither fill the cache nor evict others. Each cache belongs to one
//! verifier, and so to one policy: a token for another audience is not found here.

use std::fmt;

use foldhash::fast::RandomState;
use quick_cache::{Weighter, sync};

use crate::token::AccessToken;

/// Each started kilobyte of a token's text counts as one token.
const BYTES_PER_UNIT: u64 = 1024;

/// Verified tokens, bounded in number and size. Evicts by S3-FIFO, which keeps tokens that are used again.
pub(crate) struct TokenCache(sync::Cache<Box<str>, AccessToken, BySize, RandomState>);

#[derive(Clone)]
struct BySize;

impl Weighter<Box<str>, AccessToken> for BySize {
    fn weight(&self, text: &Box<str>, _: &AccessToken) -> u64 {
        text.len() as u64 / BYTES_PER_UNIT + 1
    }
}

impl TokenCache {
    /// Creates a cache for `tokens` tokens of less than a kilobyte.
    pub(crate) fn new(tokens: usize) -> Self {
        // The cache is sharded, and shards fill unevenly: a quarter more lets `tokens` of them fit.
        let room = tokens as u64 + tokens as u64 / 4;
        let hasher = RandomState::default();
        Self(sync::Cache::with(tokens, room, BySize, hasher, sync::DefaultLifecycle::default()))
    }

    /// Returns the token with exactly this text.
    pub(crate) fn get(&self, text: &str) -> Option<AccessToken> {
        self.0.get(text)
    }

    pub(crate) fn put(&self, text: &str, token: &AccessToken) {
        self.0.insert(text.into(), token.clone());
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of at most {} tokens", self.0.len(), self.0.capacity())
    }
}
