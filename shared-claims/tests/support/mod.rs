//! A signer for tests: keys made on the spot, and tokens with any header and any payload, well-formed or not.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

pub(crate) mod bench;
#[cfg(all(feature = "actix", feature = "axum"))]
pub(crate) mod both;
#[cfg(feature = "remote")]
pub(crate) mod connected;
#[cfg(feature = "remote")]
pub(crate) mod lists;
#[cfg(feature = "remote")]
pub(crate) mod server;

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use shared_claims::{AccessToken, Clock, KeySet, ManualClock, Policy, Refusal, Verifier};

/// When all tests happen.
pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const ISSUER: &str = "https://auth.example.com";
pub(crate) const AUDIENCE: &str = "orders";

/// A private key with its `kid`.
pub(crate) struct Signer {
    pub(crate) kid: String,
    key: Key,
}

enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
    Hs256(Vec<u8>),
}

impl Signer {
    pub(crate) fn es256(kid: &str) -> Self {
        Self::new(kid, Key::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()))
    }

    pub(crate) fn eddsa(kid: &str) -> Self {
        Self::new(kid, Key::EdDsa(Ed25519KeyPair::generate().unwrap()))
    }

    pub(crate) fn rs256(kid: &str) -> Self {
        Self::new(kid, Key::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    pub(crate) fn hs256(secret: &[u8]) -> Self {
        Self::new("shared", Key::Hs256(secret.to_vec()))
    }

    fn new(kid: &str, key: Key) -> Self {
        Self { kid: kid.to_owned(), key }
    }

    pub(crate) fn alg(&self) -> &'static str {
        match self.key {
            Key::Es256(_) => "ES256",
            Key::EdDsa(_) => "EdDSA",
            Key::Rs256(_) => "RS256",
            Key::Hs256(_) => "HS256",
        }
    }

    /// The entry of the public key in a key set.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = match &self.key {
            Key::Es256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": b64(x), "y": b64(y)})
            }
            Key::EdDsa(key) => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key())}),
            Key::Rs256(key) => {
                let (n, e) = (key.public_key().modulus(), key.public_key().exponent());
                json!({
                    "kty": "RSA",
                    "n": b64(n.big_endian_without_leading_zero()),
                    "e": b64(e.big_endian_without_leading_zero()),
                })
            }
            Key::Hs256(secret) => json!({"kty": "oct", "k": b64(secret)}),
        };
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.alg());
        jwk["use"] = json!("sig");
        jwk
    }

    /// The public key as X.509 and as the library itself writes it.
    pub(crate) fn public_bytes(&self) -> Vec<Vec<u8>> {
        fn both<K: AsRef<[u8]> + AsDer<PublicKeyX509Der<'static>>>(key: &K) -> Vec<Vec<u8>> {
            vec![key.as_der().unwrap().as_ref().to_vec(), key.as_ref().to_vec()]
        }
        match &self.key {
            Key::Es256(key) => both(key.public_key()),
            Key::EdDsa(key) => both(key.public_key()),
            Key::Rs256(key) => both(key.public_key()),
            Key::Hs256(_) => Vec::new(),
        }
    }

    /// The private key as PKCS #8, for other people's signers.
    pub(crate) fn pkcs8(&self) -> Vec<u8> {
        use aws_lc_rs::encoding::Pkcs8V1Der;
        match &self.key {
            Key::Es256(key) => key.to_pkcs8v1().unwrap().as_ref().to_vec(),
            Key::EdDsa(key) => key.to_pkcs8v1().unwrap().as_ref().to_vec(),
            Key::Rs256(key) => {
                let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
                der.as_ref().to_vec()
            }
            Key::Hs256(secret) => secret.clone(),
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Es256(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Key::EdDsa(key) => key.sign(message).as_ref().to_vec(),
            Key::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Key::Hs256(secret) => hmac_sha256(secret, message),
        }
    }

    /// The header of a good token.
    pub(crate) fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": self.alg(), "kid": self.kid})
    }

    /// A good token.
    pub(crate) fn token(&self) -> String {
        self.token_of(&claims())
    }

    /// A token with a good header.
    pub(crate) fn token_of(&self, claims: &Value) -> String {
        self.compact(self.header().to_string(), claims.to_string())
    }

    /// A good token but for its header.
    pub(crate) fn token_under(&self, header: &Value) -> String {
        self.compact(header.to_string(), claims().to_string())
    }

    /// A properly signed token of any bytes.
    pub(crate) fn compact(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let signed = format!("{}.{}", b64(header), b64(payload));
        let signature = self.sign(signed.as_bytes());
        format!("{signed}.{}", b64(signature))
    }

    /// A good token with another signature over the same text.
    pub(crate) fn token_signed_by(&self, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let signed = format!("{}.{}", b64(self.header().to_string()), b64(claims().to_string()));
        let signature = sign(signed.as_bytes());
        format!("{signed}.{}", b64(signature))
    }
}

pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The claims of a good token.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "user-1", "aud": [AUDIENCE], "exp": NOW + 600, "iat": NOW, "nbf": NOW, "jti": "token-1",
        "client_id": "first-party", "sid": "session-1", "scope": "books:download comments:write", "roles": ["reader"],
        "username": "ada", "auth_time": NOW, "email": "ada@example.com", "email_verified": true,
    })
}

/// A copy of `base` with `name` set to `value`.
pub(crate) fn with(base: Value, name: &str, value: Value) -> Value {
    let mut changed = base;
    changed[name] = value;
    changed
}

/// A copy of `base` without `name`.
pub(crate) fn without(base: Value, name: &str) -> Value {
    let mut changed = base;
    changed.as_object_mut().unwrap().remove(name);
    changed
}

pub(crate) fn jwks(signers: &[&Signer]) -> String {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()}).to_string()
}

pub(crate) fn key_set(signers: &[&Signer]) -> KeySet {
    KeySet::from_json(jwks(signers).as_bytes()).unwrap()
}

pub(crate) fn policy() -> Policy {
    Policy::new(ISSUER, [AUDIENCE]).unwrap()
}

pub(crate) fn clock() -> Clock {
    ManualClock::at(NOW).clock()
}

pub(crate) fn verifier(signers: &[&Signer]) -> Verifier {
    Verifier::with_keys(policy(), key_set(signers)).with_clock(clock())
}

/// The code of a refusal, or `accepted`.
pub(crate) fn outcome(result: Result<AccessToken, Refusal>) -> &'static str {
    match result {
        Ok(_) => "accepted",
        Err(refusal) => refusal.code(),
    }
}

/// Verifies each named token and compares with the code expected; reports all that differ at once.
pub(crate) fn check_table(
    verifier: &Verifier,
    rows: impl IntoIterator<Item = (String, String, &'static str)>,
) {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (name, token, expected) in rows {
        let is = outcome(verifier.verify_known(&token));
        count += 1;
        if is != expected {
            wrong.push(format!("{name}: {is} instead of {expected}"));
        }
    }
    assert!(count > 0, "an empty table");
    assert!(wrong.is_empty(), "{} of {count} rows:\n{}", wrong.len(), wrong.join("\n"));
}
