//! The crate without any feature: fixed keys, no HTTP client, no runtime. It verifies what `test_kit` signs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use serde_json::Value;
use shared_claims::{
    AccessToken, Policy, Verifier,
    error::Refusal,
    guard::scope,
    verifier::{KeySet, ManualClock, Readiness},
};
use test_kit::{
    testing::{TestIssuer, TestKey},
    verifier::{Algorithm, Clock},
};

/// The attack with status lists.
const STATUS: u8 = 24;
const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";

fn policy(issuer: &TestIssuer) -> Policy {
    Policy::new(issuer.name(), ["orders"]).unwrap()
}

fn keys(issuer: &TestIssuer) -> KeySet {
    KeySet::from_json(issuer.key_set().as_bytes()).unwrap()
}

fn time(clock: &Clock) -> ManualClock {
    ManualClock::at(clock.now())
}

fn verifier(issuer: &TestIssuer) -> Verifier {
    Verifier::with_keys(policy(issuer), keys(issuer)).with_clock(time(&issuer.clock()).clock())
}

/// Verifies like a request, without a runtime.
fn verify(verifier: &Verifier, token: &str) -> Result<AccessToken, Refusal> {
    match pin!(verifier.verify(token)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(judged) => judged,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn good_tokens_pass_and_no_forgery_does() {
    let issuer = TestIssuer::new();
    let verifier = verifier(&issuer);
    let token = || issuer.token("alice").audience("orders").scope("orders:read");
    for genuine in token().genuine() {
        let Some(text) = genuine.token() else { continue };
        let token = verify(&verifier, text).unwrap_or_else(|refusal| panic!("{refusal}: {}", genuine.name));
        token.require(scope("orders:read")).unwrap();
    }
    let mut tried = 0;
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
        issuer.sign_with(algorithm);
        for forgery in token().forgeries() {
            // Without the feature `remote`, statuses are not checked.
            let (Some(text), false) = (forgery.token(), forgery.why.number == STATUS) else { continue };
            let code = verify(&verifier, text).unwrap_err().code();
            assert!(forgery.code.is_empty() || code == forgery.code, "{code}: {forgery}");
            tried += 1;
        }
    }
    assert!(tried > 5000, "{tried}");
}

#[test]
fn a_shared_secret_verifies_its_own_tokens_alone() {
    let issuer = TestIssuer::new();
    let verifier = Verifier::with_shared_secret(policy(&issuer), SECRET).unwrap();
    let verifier = verifier.with_clock(time(&issuer.clock()).clock());
    let key = TestKey::hs256(SECRET);
    let token = || issuer.token("alice").audience("orders");
    assert_eq!(verify(&verifier, &token().signed_by(&key).sign()).unwrap().sub, "alice");
    assert_eq!(verify(&verifier, &token().sign()).unwrap_err(), Refusal::Algorithm);
    let other = TestKey::hs256(&[7; 32]);
    assert_eq!(verify(&verifier, &token().signed_by(&other).sign()).unwrap_err(), Refusal::Signature);
}

#[test]
fn keys_change_and_time_passes() {
    let issuer = TestIssuer::new();
    let clock = time(&issuer.clock());
    let verifier = verifier(&issuer).with_clock(clock.clock());
    let old = issuer.token("alice").audience("orders").sign();
    verify(&verifier, &old).unwrap();
    issuer.rotate();
    let new = issuer.token("alice").audience("orders").sign();
    assert_eq!(verify(&verifier, &new).unwrap_err(), Refusal::UnknownKey);
    issuer.withdraw();
    verifier.set_keys(keys(&issuer));
    assert_eq!(
        verify(&verifier, &old).unwrap_err(),
        Refusal::UnknownKey,
        "it is not remembered without its key"
    );
    let token = verify(&verifier, &new).unwrap();
    let exp = serde_json::to_value(&*token).unwrap().get("exp").and_then(Value::as_u64).unwrap();
    clock.set(exp + 30);
    assert_eq!(verify(&verifier, &new).unwrap_err(), Refusal::Expired);
    assert!(matches!(verifier.readiness(), Readiness::Ready { .. }), "keys at hand do not age");
}
