//! The key under which names are kept that rest: whoever has the database alone cannot tell which they are.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A key of HMAC-SHA-256. It is sealed in the database and never succeeded by another one: from a digest no other can be
/// computed, and a changed master key only seals it anew.
#[derive(Debug, Clone)]
pub struct NameKey(hmac::Key);

impl NameKey {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The keyed digest of a name, in base64url. `kind` is what sort of name it is, and holds no NUL.
    #[must_use]
    pub fn digest(&self, kind: &str, name: &str) -> String {
        let text = [kind.as_bytes(), b"\0", name.as_bytes()].concat();
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, &text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_the_key_the_kind_and_the_name() {
        let key = NameKey::new(&[1; 32]);
        let digest = key.digest("username", "alice");
        assert_eq!(digest, NameKey::new(&[1; 32]).digest("username", "alice"));
        for other in [
            key.digest("username", "alicf"),
            key.digest("email", "alice"),
            key.digest("usernamea", "lice"),
            NameKey::new(&[2; 32]).digest("username", "alice"),
        ] {
            assert_ne!(digest, other);
        }
    }
}
