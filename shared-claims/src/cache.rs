//! Tokens that were verified before, by their whole text. What can change since is judged again at each use, by the
//! [verifier](crate::Verifier); what cannot, the form, the signature and the claims, is not.
//!
//! Only verified tokens are stored: forged ones can neither fill the cache nor push anybody out of it. One cache belongs to
//! one verifier, and so to one policy: a token that is good for another audience is not found here.

use std::fmt;

use foldhash::fast::RandomState;
use quick_cache::{Weighter, sync};

use crate::token::AccessToken;

/// A token of so many bytes counts as one; a longer one as several.
const USUAL_TOKEN: u64 = 1024;

/// Verified tokens, bounded in number. Keeps those that come again (S3-FIFO).
pub(crate) struct TokenCache(sync::Cache<Box<str>, AccessToken, BySize, RandomState>);

#[derive(Clone)]
struct BySize;

impl Weighter<Box<str>, AccessToken> for BySize {
    fn weight(&self, text: &Box<str>, _: &AccessToken) -> u64 {
        text.len() as u64 / USUAL_TOKEN + 1
    }
}

impl TokenCache {
    /// Room for so many tokens of the usual size.
    pub(crate) fn new(tokens: usize) -> Self {
        // It is divided, and not all parts are filled alike.
        let room = tokens as u64 + tokens as u64 / 4;
        let hasher = RandomState::default();
        Self(sync::Cache::with(tokens, room, BySize, hasher, sync::DefaultLifecycle::default()))
    }

    /// The token with exactly this text.
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
