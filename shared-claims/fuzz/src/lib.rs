//! Shared by the fuzz targets: one issuer with fixed keys at a fixed time, so that the seeds stay valid.

use std::sync::LazyLock;

use serde_json::{Value, json};
use shared_claims::testing::TestKey;
use shared_claims::{Policy, Verifier, verifier::{Clock, KeySet, ManualClock}};

pub const ISSUER: &str = "https://issuer.example";
pub const AUDIENCE: &str = "orders";
pub const SECRET: &[u8] = b"a secret for fuzzing, of 32 bytes or more";
/// In seconds since 1970.
pub const NOW: u64 = 1_800_000_000;

/// The header of a valid token of `key`.
pub fn header(key: &TestKey) -> Value {
    json!({ "typ": "at+jwt", "alg": key.algorithm(), "kid": key.kid() })
}

/// The claims of a valid token.
pub fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "alice", "aud": AUDIENCE, "exp": NOW + 900, "iat": NOW, "jti": "1", "client_id": "web",
        "sid": "s", "scope": "orders:read", "roles": ["user"], "auth_time": NOW,
    })
}

/// The secret as a key.
pub static SHARED: LazyLock<TestKey> = LazyLock::new(|| TestKey::hs256(SECRET));
/// A key whose signatures are always the same.
pub static RSA: LazyLock<TestKey> = LazyLock::new(|| TestKey::rs256("rsa"));

/// The policy that valid tokens meet.
pub fn policy() -> Policy {
    Policy::new(ISSUER, [AUDIENCE]).expect("a good policy")
}

fn clock() -> Clock {
    ManualClock::at(NOW).clock()
}

/// Verifies with the secret.
pub static BY_SECRET: LazyLock<Verifier> = LazyLock::new(|| {
    Verifier::with_shared_secret(policy(), SECRET).expect("the secret is long enough").with_clock(clock())
});
/// Verifies with the RSA key.
pub static BY_KEY: LazyLock<Verifier> = LazyLock::new(|| by(key_set(&RSA)));

/// Verifies with these keys.
pub fn by(keys: KeySet) -> Verifier {
    Verifier::with_keys(policy(), keys).with_clock(clock())
}

/// The key set with only this key.
pub fn key_set(key: &TestKey) -> KeySet {
    KeySet::from_json(json!({ "keys": [key.jwk()] }).to_string().as_bytes()).expect("a key set")
}
