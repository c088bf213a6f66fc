//! The keys and verifiers of the property tests.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};
use shared_claims::{
    Policy, Verifier,
    testing::TestKey,
    verifier::{Algorithm, KeySet},
};

use crate::support::{clock, outcome, policy};

pub(super) const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";

/// The keys of the trusted issuer.
pub(super) static KEYS: LazyLock<[TestKey; 4]> = LazyLock::new(|| {
    [TestKey::es256("es"), TestKey::eddsa("ed"), TestKey::rs256("rsa"), TestKey::hs256(SECRET)]
});
pub(super) static BY_KEYS: LazyLock<Verifier> = LazyLock::new(|| {
    Verifier::with_keys(policy(), key_set(KEYS.iter().map(TestKey::jwk))).with_clock(clock())
});
pub(super) static BY_SECRET: LazyLock<Verifier> = LazyLock::new(|| by_secret(policy()).with_clock(clock()));

/// Runs this many cases and writes nothing to disk: a failure shows the smallest case, which should become a test of its own.
pub(super) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

pub(super) fn by_secret(policy: Policy) -> Verifier {
    Verifier::with_shared_secret(policy, SECRET).unwrap()
}

pub(super) fn key_set(entries: impl IntoIterator<Item = Value>) -> KeySet {
    let entries: Vec<_> = entries.into_iter().collect();
    KeySet::from_json(json!({"keys": entries}).to_string().as_bytes()).unwrap()
}

pub(super) fn verifier_of(key: &TestKey) -> &'static Verifier {
    if key.algorithm() == Algorithm::HS256 { &BY_SECRET } else { &BY_KEYS }
}

pub(super) fn signed(key: &TestKey, payload: &str) -> String {
    let header = json!({"typ": "at+jwt", "alg": key.algorithm(), "kid": key.kid()});
    key.compact(header.to_string(), payload)
}

pub(super) fn says(verifier: &Verifier, token: &str) -> &'static str {
    outcome(verifier.verify_now(token))
}
