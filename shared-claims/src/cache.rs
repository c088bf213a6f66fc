//! A cache of verified tokens, by their whole text. The [verifier](crate::Verifier) checks again at each use what can change:
//! expiry, revocation and the key. The form, the signature and the claims cannot change.
//!
//! Only verified tokens are stored, so forged ones can neither fill the cache nor evict others. Each cache belongs to one
//! verifier, and so to one policy: a token for another audience is not found here.

use std::fmt;

use foldhash::fast::RandomState;
use quick_cache::{Weighter, sync};

use crate::token::AccessToken;

/// A token counts as one, and as one more for each full kilobyte of its text.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::token::Verified;

    /// A quarter more than 100, and what shards are rounded up by: there are at most four, as each has room for 32 tokens.
    const MAX_WEIGHT: u64 = 125 + 4;

    fn token() -> AccessToken {
        let claims = r#"{"iss":"i","sub":"s","aud":"a","exp":1,"iat":1,"jti":"j","client_id":"c"}"#;
        let claims = serde_json::from_str(claims).unwrap();
        AccessToken::new(Verified::new(claims, &Arc::default(), Vec::new(), None, 0..1), 0)
    }

    fn text(number: usize, bytes: usize) -> String {
        format!("{number:0bytes$}")
    }

    #[test]
    fn a_token_counts_as_one_and_one_more_for_each_full_kilobyte() {
        for (bytes, weight) in [(1, 1), (1023, 1), (1024, 2), (2047, 2), (2048, 3), (8191, 8), (8192, 9)] {
            assert_eq!(BySize.weight(&text(0, bytes).into(), &token()), weight, "{bytes}");
        }
    }

    #[test]
    fn memory_is_bounded_however_long_the_tokens_are() {
        let token = token();
        for bytes in [500, 3_000, 8_000] {
            let cache = TokenCache::new(100);
            (0..2_000).for_each(|number| cache.put(&text(number, bytes), &token));
            let held: Vec<_> =
                (0..2_000).filter(|number| cache.get(&text(*number, bytes)).is_some()).collect();
            let weight = held.len() as u64 * BySize.weight(&text(0, bytes).into(), &token);
            assert!((75..=MAX_WEIGHT).contains(&weight), "{} of {bytes} bytes: {weight}", held.len());
            assert!((held.len() * bytes) as u64 <= MAX_WEIGHT * 1024, "{} of {bytes} bytes", held.len());
        }
    }

    #[test]
    fn debug_output_shows_how_full_the_cache_is() {
        let cache = TokenCache::new(100);
        cache.put("text", &token());
        let capacity = cache.0.capacity();
        assert!((125..=MAX_WEIGHT).contains(&capacity), "{capacity}");
        assert_eq!(format!("{cache:?}"), format!("1 of at most {capacity} tokens"));
    }
}
