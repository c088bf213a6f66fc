//! A private key for tests, which signs anything.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaEncoding, RsaKeyPair,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::rsa_keys;
use crate::algorithm::Algorithm;

/// A private key with its `kid`, only for tests. Cheap to clone.
#[derive(Clone)]
pub struct TestKey {
    kid: Arc<str>,
    pair: Arc<Pair>,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
    Hs256(Box<[u8]>),
}

impl TestKey {
    /// Creates a key for ECDSA on P-256.
    ///
    /// # Panics
    /// If the system has no randomness.
    #[must_use]
    pub fn es256(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Self::new(kid, Pair::Es256(pair.expect("a key can be made")))
    }

    /// Creates a key for Ed25519.
    ///
    /// # Panics
    /// If the system has no randomness.
    #[must_use]
    pub fn eddsa(kid: &str) -> Self {
        Self::new(kid, Pair::EdDsa(Ed25519KeyPair::generate().expect("a key can be made")))
    }

    /// Returns an RSA key, always the same public one, because creating one is slow. It is not the
    /// [`TestIssuer`](super::TestIssuer)'s.
    #[must_use]
    pub fn rs256(kid: &str) -> Self {
        static PAIR: OnceLock<Arc<Pair>> = OnceLock::new();
        Self { kid: Arc::from(kid), pair: Arc::clone(PAIR.get_or_init(|| rsa(rsa_keys::STRANGERS))) }
    }

    /// Returns the RSA key of all test issuers.
    pub(super) fn issuers_rs256(kid: &str) -> Self {
        static PAIR: OnceLock<Arc<Pair>> = OnceLock::new();
        Self { kid: Arc::from(kid), pair: Arc::clone(PAIR.get_or_init(|| rsa(rsa_keys::ISSUERS))) }
    }

    /// Creates a shared secret.
    #[must_use]
    pub fn hs256(secret: &[u8]) -> Self {
        Self::new("shared", Pair::Hs256(secret.into()))
    }

    fn new(kid: &str, pair: Pair) -> Self {
        Self { kid: Arc::from(kid), pair: Arc::new(pair) }
    }

    /// Returns the same key with another `kid`.
    #[must_use]
    pub fn with_kid(&self, kid: &str) -> Self {
        Self { kid: Arc::from(kid), pair: Arc::clone(&self.pair) }
    }

    /// Returns the key id in headers and key sets.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the algorithm that it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match *self.pair {
            Pair::Es256(_) => Algorithm::ES256,
            Pair::EdDsa(_) => Algorithm::EdDSA,
            Pair::Rs256(_) => Algorithm::RS256,
            Pair::Hs256(_) => Algorithm::HS256,
        }
    }

    /// Returns the public key as an entry of a key set (RFC 7517); for a secret, the secret.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = match &*self.pair {
            Pair::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": b64(x), "y": b64(y)})
            }
            Pair::EdDsa(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key())}),
            Pair::Rs256(pair) => json!({"kty": "RSA", "n": b64(modulus(pair)), "e": "AQAB"}),
            Pair::Hs256(secret) => json!({"kty": "oct", "k": b64(secret)}),
        };
        jwk["kid"] = json!(&*self.kid);
        jwk["alg"] = json!(self.algorithm());
        jwk["use"] = json!("sig");
        jwk
    }

    /// Returns the private key as PKCS #8 (RFC 5208), for other signers; for a secret, the secret.
    ///
    /// # Panics
    /// Only if the system is out of memory.
    #[must_use]
    pub fn pkcs8(&self) -> Vec<u8> {
        match &*self.pair {
            Pair::Es256(pair) => pair.to_pkcs8v1().expect("a private key").as_ref().to_vec(),
            Pair::EdDsa(pair) => pair.to_pkcs8v1().expect("a private key").as_ref().to_vec(),
            Pair::Rs256(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().expect("a private key");
                der.as_ref().to_vec()
            }
            Pair::Hs256(secret) => secret.to_vec(),
        }
    }

    /// Signs any bytes, in the form of a JWS signature (RFC 7518 section 3).
    ///
    /// # Panics
    /// If the system has no randomness.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &*self.pair {
            Pair::Es256(pair) => {
                pair.sign(&SystemRandom::new(), message).expect("randomness").as_ref().to_vec()
            }
            Pair::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rs256(_) => self.sign_rsa(&RSA_PKCS1_SHA256, message).expect("an RSA key"),
            Pair::Hs256(secret) => hmac_of(hmac::HMAC_SHA256, secret, message),
        }
    }

    /// Signs with another RSA algorithm; `None` if it is not an RSA key.
    pub(super) fn sign_rsa(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Option<Vec<u8>> {
        let Pair::Rs256(pair) = &*self.pair else { return None };
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), message, &mut signature).ok()?;
        Some(signature)
    }

    /// Returns a correctly signed compact JWS (RFC 7515 section 7.1) of any two texts, which need not be JSON.
    ///
    /// ```
    /// # use shared_claims::testing::TestKey;
    /// let token = TestKey::es256("k").compact(r#"{"alg": "ES256"}"#, "not even JSON");
    /// assert_eq!(token.split('.').count(), 3);
    /// ```
    #[must_use]
    pub fn compact(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.signed(format!("{}.{}", b64(header), b64(payload)))
    }

    /// Appends a dot and the signature to the text.
    pub(super) fn signed(&self, text: String) -> String {
        let signature = self.sign(text.as_bytes());
        text + "." + &b64(signature)
    }

    /// Returns the header of a valid token.
    pub(super) fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": self.algorithm(), "kid": &*self.kid})
    }

    /// Returns the public key as X.509 and as the library itself writes it.
    pub(super) fn public_bytes(&self) -> Vec<Vec<u8>> {
        fn both<K: AsRef<[u8]> + AsDer<PublicKeyX509Der<'static>>>(key: &K) -> Vec<Vec<u8>> {
            vec![key.as_der().expect("a public key").as_ref().to_vec(), key.as_ref().to_vec()]
        }
        match &*self.pair {
            Pair::Es256(pair) => both(pair.public_key()),
            Pair::EdDsa(pair) => both(pair.public_key()),
            Pair::Rs256(pair) => both(pair.public_key()),
            Pair::Hs256(_) => Vec::new(),
        }
    }
}

impl fmt::Debug for TestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestKey({:?}, {})", self.kid, self.algorithm())
    }
}

fn rsa(text: &str) -> Arc<Pair> {
    let text: String = text.split_whitespace().collect();
    let der = STANDARD.decode(text).expect("base64");
    Arc::new(Pair::Rs256(RsaKeyPair::from_der(&der).expect("an RSA key")))
}

/// Returns the modulus of an RSA key of 2048 bits. PKCS #1 begins with a sequence header of 4 bytes and an integer header
/// of 5.
fn modulus(pair: &RsaKeyPair) -> Vec<u8> {
    pair.public_key().as_ref()[9..9 + pair.public_modulus_len()].to_vec()
}

/// Returns the HMAC with any key, even one that should not exist.
pub(super) fn hmac_of(algorithm: hmac::Algorithm, key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec()
}

pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
