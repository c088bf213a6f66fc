//! Refresh tokens, computed instead of stored. The token of generation `n` of a session is
//! `rt_` + base64url(version, key id, session id, n, HMAC-SHA-256(key, all of that)).
//!
//! So a made-up token is refused before the database is asked, the database holds nothing that could be used as one,
//! and the answer to a repeated refresh can be computed again.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

const PREFIX: &str = "rt_";
const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const SIGNED_BYTES: usize = 1 + KEY_ID_BYTES + 16 + 8;

/// What a genuine refresh token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// The session it continues.
    pub session_id: String,
    /// Which of the session's refresh tokens it is; the first has generation 0.
    pub generation: i64,
}

/// A key that makes refresh tokens and knows its own again.
pub(super) struct RefreshKey {
    id: [u8; KEY_ID_BYTES],
    key: hmac::Key,
}

impl RefreshKey {
    /// From 8 bytes of name and 32 bytes of secret.
    pub(super) fn new(id: [u8; KEY_ID_BYTES], secret: &[u8]) -> Self {
        Self { id, key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// The name of a key as it stands in the database.
    pub(super) fn parse_id(kid: &str) -> Option<[u8; KEY_ID_BYTES]> {
        URL_SAFE_NO_PAD.decode(kid).ok()?.try_into().ok()
    }

    /// The token; `None` when the session's id is not a UUID or the generation is negative.
    pub(super) fn encode(&self, token: &RefreshToken) -> Option<String> {
        let mut bytes = Vec::with_capacity(SIGNED_BYTES + 32);
        bytes.push(VERSION);
        bytes.extend(self.id);
        bytes.extend(Uuid::try_parse(&token.session_id).ok()?.as_bytes());
        bytes.extend(u64::try_from(token.generation).ok()?.to_be_bytes());
        let mac = hmac::sign(&self.key, &bytes);
        bytes.extend(mac.as_ref());
        Some(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What the token says, if this key made it. The comparison takes the same time whatever is wrong.
    pub(super) fn decode(&self, token: &str) -> Option<RefreshToken> {
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
        let (signed, mac) = bytes.split_at_checked(SIGNED_BYTES)?;
        let (version_and_key, rest) = signed.split_at(1 + KEY_ID_BYTES);
        if version_and_key[0] != VERSION || version_and_key[1..] != self.id {
            return None;
        }
        hmac::verify(&self.key, signed, mac).ok()?;
        let (session, generation) = rest.split_at(16);
        Some(RefreshToken {
            session_id: Uuid::from_slice(session).ok()?.to_string(),
            generation: i64::from_be_bytes(generation.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> RefreshToken {
        RefreshToken { session_id: "0198a0c4-0000-7000-8000-000000000001".to_owned(), generation: 7 }
    }

    #[test]
    fn a_token_survives_the_way_out_and_back() {
        let key = RefreshKey::new([1; 8], &[2; 32]);
        let encoded = key.encode(&token()).unwrap();
        assert_eq!(key.decode(&encoded), Some(token()));
        assert_eq!(key.encode(&token()), Some(encoded), "the same token again");
    }

    #[test]
    fn a_token_that_was_touched_anywhere_is_refused() {
        let key = RefreshKey::new([1; 8], &[2; 32]);
        let encoded = key.encode(&token()).unwrap();
        for at in 0..encoded.len() {
            for other in ['A', 'B', '_', '%'] {
                let mut touched: Vec<char> = encoded.chars().collect();
                if touched[at] != other {
                    touched[at] = other;
                    assert_eq!(key.decode(&touched.iter().collect::<String>()), None, "{other} at {at}");
                }
            }
            assert_eq!(key.decode(&encoded[..at]), None, "cut at {at}");
        }
        assert_eq!(key.decode(&format!("{encoded}A")), None);
        assert_eq!(RefreshKey::new([1; 8], &[3; 32]).decode(&encoded), None, "another secret");
        assert_eq!(RefreshKey::new([2; 8], &[2; 32]).decode(&encoded), None, "another name");
    }
}
