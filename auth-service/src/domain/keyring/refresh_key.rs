//! Refresh tokens, computed instead of stored. The token of generation `n` of a session is
//! `rt_` + base64url(version, key id, session id, n, HMAC-SHA-256(key, all of that and the epoch)).
//!
//! So a made-up token is refused before the database is asked, the database holds nothing that could be used as one,
//! the answer to a repeated refresh can be computed again, and a new epoch makes every token before it worthless.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::domain::keyring::times::Times;

const PREFIX: &str = "rt_";
const VERSION: u8 = 1;
pub(super) const KEY_ID_BYTES: usize = 8;
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
    pub(super) kid: String,
    pub(super) times: Times,
    pub(super) id: [u8; KEY_ID_BYTES],
    pub(super) key: hmac::Key,
}

impl RefreshKey {
    /// From its name, which is 8 bytes in base64url, and 32 bytes of secret.
    pub(super) fn new(kid: &str, secret: &[u8], times: Times) -> Option<Self> {
        let id = URL_SAFE_NO_PAD.decode(kid).ok()?.try_into().ok()?;
        Some(Self { kid: kid.to_owned(), times, id, key: hmac::Key::new(hmac::HMAC_SHA256, secret) })
    }

    /// The token; `None` when the session's id is not a UUID or the generation is negative.
    pub(super) fn encode(&self, token: &RefreshToken, epoch: i64) -> Option<String> {
        let mut bytes = Vec::with_capacity(SIGNED_BYTES + 32);
        bytes.push(VERSION);
        bytes.extend(self.id);
        bytes.extend(Uuid::try_parse(&token.session_id).ok()?.as_bytes());
        bytes.extend(u64::try_from(token.generation).ok()?.to_be_bytes());
        let mac = hmac::sign(&self.key, &proven(&bytes, epoch));
        bytes.extend(mac.as_ref());
        Some(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What the token says, if this key made it in this epoch. The comparison takes the same time whatever is wrong.
    pub(super) fn decode(&self, token: &Encoded, epoch: i64) -> Option<RefreshToken> {
        let (signed, mac) = token.0.split_at_checked(SIGNED_BYTES)?;
        let (version_and_key, rest) = signed.split_at(1 + KEY_ID_BYTES);
        if version_and_key[0] != VERSION || version_and_key[1..] != self.id {
            return None;
        }
        hmac::verify(&self.key, &proven(signed, epoch), mac).ok()?;
        let (session, generation) = rest.split_at(16);
        Some(RefreshToken {
            session_id: Uuid::from_slice(session).ok()?.to_string(),
            generation: i64::from_be_bytes(generation.try_into().ok()?),
        })
    }
}

/// The bytes of a text that may be a refresh token.
pub(super) struct Encoded(Vec<u8>);

impl Encoded {
    pub(super) fn parse(token: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok().map(Self)
    }
}

/// What the HMAC is over.
fn proven(signed: &[u8], epoch: i64) -> Vec<u8> {
    [signed, epoch.to_be_bytes().as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> RefreshToken {
        RefreshToken { session_id: "0198a0c4-0000-7000-8000-000000000001".to_owned(), generation: 7 }
    }

    const TIMES: Times = Times { created_at: 0, active_from: 0 };
    const EPOCH: i64 = 3;

    fn key(id: u8, secret: u8) -> RefreshKey {
        RefreshKey::new(&URL_SAFE_NO_PAD.encode([id; 8]), &[secret; 32], TIMES).unwrap()
    }

    fn decode(key: &RefreshKey, token: &str) -> Option<RefreshToken> {
        key.decode(&Encoded::parse(token)?, EPOCH)
    }

    #[test]
    fn a_token_survives_the_way_out_and_back() {
        let key = key(1, 2);
        let encoded = key.encode(&token(), EPOCH).unwrap();
        assert_eq!(decode(&key, &encoded), Some(token()));
        assert_eq!(key.encode(&token(), EPOCH), Some(encoded), "the same token again");
    }

    #[test]
    fn a_token_of_another_epoch_is_refused() {
        let encoded = key(1, 2).encode(&token(), EPOCH - 1).unwrap();
        assert_eq!(decode(&key(1, 2), &encoded), None);
    }

    #[test]
    fn a_token_that_was_touched_anywhere_is_refused() {
        let ours = key(1, 2);
        let encoded = ours.encode(&token(), EPOCH).unwrap();
        for at in 0..encoded.len() {
            for other in ['A', 'B', '_', '%'] {
                let mut touched: Vec<char> = encoded.chars().collect();
                if touched[at] != other {
                    touched[at] = other;
                    assert_eq!(decode(&ours, &touched.iter().collect::<String>()), None, "{other} at {at}");
                }
            }
            assert_eq!(decode(&ours, &encoded[..at]), None, "cut at {at}");
        }
        assert_eq!(decode(&ours, &format!("{encoded}A")), None);
        assert_eq!(decode(&key(1, 3), &encoded), None, "another secret");
        assert_eq!(decode(&key(2, 2), &encoded), None, "another name");
    }
}
