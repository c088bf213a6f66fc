//! Entries of a key set that no verifier may use, with their private keys (RFC 7517 section 4, RFC 8725 section 3.4). The
//! test issuer publishes them with its valid keys.

use serde_json::{Value, json};

use super::key::{TestKey, b64};

/// An entry, and the key that signs as if it were valid.
#[derive(Clone)]
pub(super) struct OddKey {
    pub(super) name: &'static str,
    pub(super) key: TestKey,
    pub(super) jwk: Value,
}

/// The name of the entry, the member that is wrong, and its value.
const CHANGES: [(&str, &str, &str); 10] = [
    ("for encryption", "use", "enc"),
    ("for ES384 by its alg", "alg", "ES384"),
    ("for RS256 by its alg", "alg", "RS256"),
    ("for HS256 by its alg", "alg", "HS256"),
    ("for nothing by its alg", "alg", "none"),
    ("for key agreement by its alg", "alg", "ECDH-ES"),
    ("of another curve", "crv", "P-384"),
    ("of an unknown curve", "crv", "P-255"),
    ("of an unknown type", "kty", "AKP"),
    ("with its private half", "d", "AAAA"),
];

impl OddKey {
    pub(super) fn all() -> Vec<Self> {
        let fresh = |kid: &str| TestKey::es256(kid);
        let mut all: Vec<_> = CHANGES
            .iter()
            .enumerate()
            .map(|(number, (name, member, value))| {
                let key = fresh(&format!("odd-{number}"));
                Self::with(name, key, member, json!(value))
            })
            .collect();
        all.extend([
            Self::with("for encrypting", fresh("odd-ops"), "key_ops", json!(["encrypt", "wrapKey"])),
            Self::with("for signing alone", fresh("odd-sign"), "key_ops", json!(["sign"])),
            Self::with("for no operation", fresh("odd-none"), "key_ops", json!([])),
            Self::with("off its curve", fresh("odd-curve"), "y", json!(b64([7; 32]))),
            Self::with("for PS256 by its alg", TestKey::rs256("odd-ps"), "alg", json!("PS256")),
            Self::with("for RSA-OAEP by its alg", TestKey::rs256("odd-oaep"), "alg", json!("RSA-OAEP")),
            Self::with("of RSA for encryption", TestKey::rs256("odd-enc"), "use", json!("enc")),
            Self::with("of Ed25519 for X25519", TestKey::eddsa("odd-x"), "crv", json!("X25519")),
            Self::with("of Ed25519 for ES256", TestKey::eddsa("odd-es"), "alg", json!("ES256")),
        ]);
        for name in ["one of two under a kid", "the other of two under a kid"] {
            let key = fresh("odd-twice");
            all.push(Self { name, jwk: key.jwk(), key });
        }
        let mut secret = TestKey::hs256(b"a secret that is in a key set").with_kid("odd-secret");
        all.push(Self { name: "symmetric", jwk: secret.jwk(), key: secret.clone() });
        secret = TestKey::hs256(b"").with_kid("odd-empty");
        all.push(Self { name: "symmetric and empty", jwk: secret.jwk(), key: secret });
        all
    }

    fn with(name: &'static str, key: TestKey, member: &str, value: Value) -> Self {
        let mut jwk = key.jwk();
        jwk[member] = value;
        Self { name, key, jwk }
    }
}
