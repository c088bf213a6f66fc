//! CSRF tokens, computed instead of stored (OWASP: signed double-submit cookie). The token of a session is
//! base64url(key id, session id, HMAC-SHA-256(key, `csrf`, all of that and the epoch)), by the keys of refresh tokens.
//!
//! A page may read it, so it is no credential: it only shows that a request with the session's cookies was made by somebody
//! who could read what the session was given. What it proves is in other words than what a refresh token does, so that
//! neither can be made of the other.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::domain::keyring::refresh_key::{KEY_ID_BYTES, RefreshKey};

const PURPOSE: &[u8] = b"csrf";
const SIGNED_BYTES: usize = KEY_ID_BYTES + 16;

/// The token of a session; `None` when the session's id is not a UUID.
pub(super) fn encode(key: &RefreshKey, session_id: &str, epoch: i64) -> Option<String> {
    let mut bytes = Vec::with_capacity(SIGNED_BYTES + 32);
    bytes.extend(key.id);
    bytes.extend(Uuid::try_parse(session_id).ok()?.as_bytes());
    let mac = hmac::sign(&key.key, &proven(&bytes, epoch));
    bytes.extend(mac.as_ref());
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// The session of a token that one of these keys made in this epoch. The HMACs are compared in constant time.
pub(super) fn decode<'a>(
    keys: impl IntoIterator<Item = &'a RefreshKey>,
    token: &str,
    epoch: i64,
) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (signed, mac) = bytes.split_at_checked(SIGNED_BYTES)?;
    let (key_id, session) = signed.split_at(KEY_ID_BYTES);
    let key = keys.into_iter().find(|key| key.id == key_id)?;
    hmac::verify(&key.key, &proven(signed, epoch), mac).ok()?;
    Some(Uuid::from_slice(session).ok()?.to_string())
}

/// What the HMAC is over.
fn proven(signed: &[u8], epoch: i64) -> Vec<u8> {
    [PURPOSE, signed, epoch.to_be_bytes().as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::keyring::times::Times;

    const SESSION: &str = "0198a0c4-0000-7000-8000-000000000001";
    const EPOCH: i64 = 3;

    fn key(id: u8, secret: u8) -> RefreshKey {
        let times = Times { created_at: 0, active_from: 0 };
        RefreshKey::new(&URL_SAFE_NO_PAD.encode([id; 8]), &[secret; 32], times).unwrap()
    }

    #[test]
    fn a_token_names_its_session() {
        let keys = [key(1, 2), key(3, 4)];
        for key in &keys {
            let token = encode(key, SESSION, EPOCH).unwrap();
            assert_eq!(decode(&keys, &token, EPOCH).as_deref(), Some(SESSION));
            assert_eq!(encode(key, SESSION, EPOCH), Some(token), "the same token again");
        }
    }

    #[test]
    fn a_token_that_was_touched_anywhere_is_refused() {
        let ours = [key(1, 2)];
        let token = encode(&ours[0], SESSION, EPOCH).unwrap();
        for at in 0..token.len() {
            for other in ['A', 'B', '_', '%'] {
                let mut touched: Vec<char> = token.chars().collect();
                if touched[at] != other {
                    touched[at] = other;
                    let touched: String = touched.iter().collect();
                    assert_eq!(decode(&ours, &touched, EPOCH), None, "{other} at {at}");
                }
            }
            assert_eq!(decode(&ours, &token[..at], EPOCH), None, "cut at {at}");
        }
        assert_eq!(decode(&ours, &format!("{token}A"), EPOCH), None);
        assert_eq!(decode(&[key(1, 3)], &token, EPOCH), None, "another secret");
        assert_eq!(decode(&[key(2, 2)], &token, EPOCH), None, "another name");
        assert_eq!(decode(&ours, &token, EPOCH + 1), None, "another epoch");
    }
}
