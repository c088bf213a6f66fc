//! Keys and tokens for tests that need no issuer. Header and payload can be anything, well-formed or not.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[cfg(all(feature = "actix", feature = "axum"))]
pub(crate) mod both;
#[cfg(feature = "remote")]
pub(crate) mod connected;
pub(crate) mod dice;
#[cfg(feature = "remote")]
pub(crate) mod lists;
#[cfg(feature = "remote")]
pub(crate) mod logs;
#[cfg(feature = "remote")]
pub(crate) mod server;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use shared_claims::{
    AccessToken, Policy, Verifier,
    error::Refusal,
    testing::TestKey,
    verifier::{Clock, KeySet, ManualClock},
};

/// The time of all tests.
pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const ISSUER: &str = "https://auth.example.com";
pub(crate) const AUDIENCE: &str = "orders";

/// A private key with its `kid`.
pub(crate) struct Signer {
    pub(crate) kid: String,
    key: TestKey,
}

impl Signer {
    pub(crate) fn es256(kid: &str) -> Self {
        Self::new(TestKey::es256(kid))
    }

    pub(crate) fn eddsa(kid: &str) -> Self {
        Self::new(TestKey::eddsa(kid))
    }

    /// Always the same key.
    pub(crate) fn rs256(kid: &str) -> Self {
        Self::new(TestKey::rs256(kid))
    }

    pub(crate) fn hs256(secret: &[u8]) -> Self {
        Self::new(TestKey::hs256(secret))
    }

    fn new(key: TestKey) -> Self {
        Self { kid: key.kid().to_owned(), key }
    }

    pub(crate) fn alg(&self) -> &'static str {
        self.key.algorithm().as_str()
    }

    /// The entry of the public key in a key set.
    pub(crate) fn jwk(&self) -> Value {
        self.key.jwk()
    }

    /// The private key, for other signers.
    pub(crate) fn pkcs8(&self) -> Vec<u8> {
        self.key.pkcs8()
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

    /// A valid token with another header.
    pub(crate) fn token_under(&self, header: &Value) -> String {
        self.compact(header.to_string(), claims().to_string())
    }

    /// A correctly signed token of any bytes.
    pub(crate) fn compact(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.key.compact(header, payload)
    }
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

/// `n - s`, where `n` is the order of P-256; both big-endian.
pub(crate) fn subtracted_from_n(s: &[u8]) -> Vec<u8> {
    const N: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut borrow = 0;
    let digits = N.iter().zip(s).rev().map(|(n, s)| {
        let digit = i16::from(*n) - i16::from(*s) - borrow;
        borrow = i16::from(digit < 0);
        digit.to_le_bytes()[0]
    });
    let mut digits: Vec<_> = digits.collect();
    digits.reverse();
    digits
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

/// Verifies each named token, compares with the expected code, and reports all differences at once.
pub(crate) fn check_table(
    verifier: &Verifier,
    rows: impl IntoIterator<Item = (String, String, &'static str)>,
) {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (name, token, expected) in rows {
        let is = outcome(verifier.verify_now(&token));
        count += 1;
        if is != expected {
            wrong.push(format!("{name}: {is} instead of {expected}"));
        }
    }
    assert!(count > 0, "an empty table");
    assert!(wrong.is_empty(), "{} of {count} rows:\n{}", wrong.len(), wrong.join("\n"));
}
