//! The test issuer: its tokens, and what its verifiers receive, without a runtime.

use std::{pin::pin, task::Context, task::Poll, task::Waker, time::Duration};

use serde_json::json;
use shared_claims::{
    AccessToken, Policy, Remote, Verifier,
    error::Refusal,
    testing::{TestIssuer, TestKey},
    verifier::{Algorithm, KeySet, ManualClock, Readiness},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Verifies like a request. It must be ready immediately.
fn verify(verifier: &Verifier, token: &str) -> Result<AccessToken, Refusal> {
    let verification = pin!(verifier.verify(token));
    match verification.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it waits"),
    }
}

fn code(verifier: &Verifier, token: &str) -> &'static str {
    verify(verifier, token).err().map_or("accepted", |refusal| refusal.code())
}

#[test]
fn a_token_has_what_the_builder_was_given() {
    let issuer = TestIssuer::named("https://auth.example.com");
    let orders = issuer.verifier("orders");
    let token = issuer
        .token("alice")
        .scope("orders:read")
        .scope("orders:write")
        .role("admin")
        .claim("email", "a@b.c");
    let read = verify(&orders, &token.sign()).unwrap();
    assert_eq!((&*read.iss, &*read.sub, read.name()), ("https://auth.example.com", "alice", "alice"));
    assert!(read.has_scope("orders:read") && read.has_scope("orders:write") && read.has_role("admin"));
    assert_eq!(
        (read.aud.as_slice(), read.email.as_deref()),
        (["orders".to_owned()].as_slice(), Some("a@b.c"))
    );
    assert_ne!(read.jti, verify(&orders, &issuer.token("alice").sign()).unwrap().jti);
}

#[test]
fn a_token_can_be_made_wrong_in_any_way() {
    let issuer = TestIssuer::new();
    let orders = issuer.verifier("orders");
    let alice = || issuer.token("alice");
    let stranger = TestKey::rs256("x");
    let minute = Duration::from_secs(60);
    for (expected, token) in [
        ("accepted", alice().expires_in(minute)),
        ("expired", alice().expired()),
        ("not_yet_valid", alice().issued_at(1_900_000_000)),
        ("audience", alice().audience("billing")),
        ("accepted", alice().claim("aud", json!(["billing", "orders"]))),
        ("malformed", alice().without("aud")),
        ("malformed", alice().without("exp")),
        ("sender_constrained", alice().claim("cnf", json!({"jkt": "x"}))),
        ("malformed", alice().header("crit", json!(["exp"]))),
        ("type", alice().without_header("typ")),
        ("type", alice().header("typ", "JWT")),
        ("malformed", alice().header("kid", "x").without_header("kid")),
        ("unknown_key", alice().signed_by(&stranger)),
        ("signature", alice().signed_by(&stranger).header("kid", issuer.key_of(Algorithm::RS256).kid())),
        ("accepted", alice().algorithm(Algorithm::EdDSA)),
        ("accepted", alice().algorithm(Algorithm::RS256)),
        ("algorithm", alice().algorithm(Algorithm::HS256)),
    ] {
        assert_eq!(code(&orders, &token.sign()), expected, "{token:?}");
    }
    assert_eq!(code(&orders, &issuer.key().compact("{}", "anything")), "malformed");
}

#[test]
fn time_passes_only_by_advance_and_an_online_issuer_keeps_its_verifiers_fresh() {
    let time = ManualClock::at(1_900_000_000);
    let issuer = TestIssuer::with_clock("https://issuer.test", &time);
    let orders = issuer.verifier("orders");
    let token = issuer.token("alice").sign();
    issuer.advance(Duration::from_secs(629));
    assert_eq!(code(&orders, &token), "accepted");
    issuer.advance(Duration::from_secs(1));
    assert_eq!((code(&orders, &token), time.clock().now()), ("expired", 1_900_000_630));
    issuer.advance(1000 * HOUR);
    assert_eq!(code(&orders, &issuer.token("alice").sign()), "accepted");
    let Readiness::Ready { keys_age_secs: 0, revocations: Some(known) } = orders.readiness() else {
        panic!()
    };
    assert_eq!((known.lists, known.oldest_age_secs, known.streaming), (1, 0, true));
}

#[test]
fn a_rotation_leaves_old_tokens_good_until_the_keys_are_withdrawn() {
    let issuer = TestIssuer::new();
    let (orders, billing) = (issuer.verifier("orders"), issuer.verifier("billing"));
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
        let token = || issuer.token("alice").algorithm(algorithm).sign();
        let old = token();
        issuer.rotate();
        let new = token();
        for verifier in [&orders, &billing] {
            assert_eq!((code(verifier, &old), code(verifier, &new)), ("accepted", "accepted"));
        }
        issuer.withdraw();
        for verifier in [&orders, &billing] {
            assert_eq!((code(verifier, &old), code(verifier, &new)), ("unknown_key", "accepted"));
        }
    }
}

#[test]
fn a_token_is_revoked_by_its_index_and_no_other_token_is() {
    let issuer = TestIssuer::new();
    let (orders, billing) = (issuer.verifier("orders"), issuer.verifier("billing"));
    let tokens: Vec<_> = (0..20_000).map(|_| issuer.token("alice")).collect(); // more than fit into the first list
    for place in [0, 7, 8, 8191, 8192, 19_999] {
        let token = tokens[place].sign();
        assert_eq!(code(&orders, &token), "accepted", "{place}");
        issuer.revoke(&token);
        assert_eq!((code(&orders, &token), code(&billing, &token)), ("revoked", "revoked"), "{place}");
        assert_eq!(code(&orders, &tokens[place].clone().without("status").sign()), "accepted");
        assert_eq!(code(&orders, &tokens[place ^ 1].sign()), "accepted");
    }
    issuer.sign_with(Algorithm::EdDSA);
    issuer.rotate();
    issuer.withdraw();
    let again = tokens[7].clone().sign();
    assert_eq!(code(&orders, &again), "revoked", "also by a list that a new key has signed");
}

#[test]
fn while_the_issuer_is_offline_its_verifiers_use_their_keys_and_lists_until_these_are_too_old() {
    let issuer = TestIssuer::new();
    let orders = issuer.verifier("orders");
    let long = || issuer.token("alice").expires_in(100 * HOUR);
    let (token, revoked) = (long().sign(), long().sign());
    issuer.go_offline();
    issuer.revoke(&revoked);
    issuer.rotate();
    let new = long().sign();
    issuer.advance(Duration::from_secs(86_370)); // the test itself takes time too
    assert_eq!((code(&orders, &token), code(&orders, &revoked)), ("accepted", "accepted"));
    assert_eq!(code(&orders, &new), "unavailable", "an unreachable issuer is not the token's fault");
    assert_eq!(code(&issuer.verifier("billing"), &token), "unavailable");
    let Readiness::Ready { keys_age_secs: 86_370..=86_399, revocations: Some(known) } = orders.readiness()
    else {
        panic!()
    };
    assert!((86_370..86_400).contains(&known.oldest_age_secs) && !known.streaming);

    issuer.advance(Duration::from_secs(31));
    assert_eq!(code(&orders, &token), "unavailable");
    let Readiness::NotReady { reason } = orders.readiness() else { panic!() };
    assert!(reason.contains("too old") && reason.contains("offline"), "{reason}");

    issuer.go_online();
    assert_eq!((code(&orders, &token), code(&orders, &new)), ("accepted", "accepted"));
    assert_eq!(code(&orders, &revoked), "revoked");
}

#[test]
fn a_policy_and_its_limits_count_as_they_do_elsewhere() {
    let issuer = TestIssuer::new();
    issuer.sign_with(Algorithm::EdDSA);
    let policy = || Policy::new(issuer.name(), ["orders"]).unwrap().algorithms(&[Algorithm::EdDSA]).unwrap();
    let strict = policy().leeway(Duration::ZERO).unwrap();
    let stale = Remote::discover().max_staleness(HOUR);
    let orders = issuer.verifier_with(strict, stale).unwrap();
    let token = issuer.token("alice").expires_in(Duration::from_secs(1)).sign();
    assert_eq!(code(&orders, &token), "accepted");
    assert_eq!(code(&orders, &issuer.token("alice").algorithm(Algorithm::ES256).sign()), "algorithm");
    issuer.advance(Duration::from_secs(1));
    assert_eq!(code(&orders, &token), "expired");
    issuer.go_offline();
    issuer.advance(HOUR + Duration::from_secs(1));
    assert_eq!(code(&orders, &issuer.token("alice").sign()), "unavailable");

    let careless = issuer.verifier_with(policy(), Remote::discover().without_status_lists()).unwrap();
    issuer.go_online();
    let revoked = issuer.token("alice").sign();
    issuer.revoke(&revoked);
    assert_eq!((code(&careless, &revoked), code(&orders, &revoked)), ("accepted", "revoked"));
}

#[test]
fn a_shared_secret_is_for_the_smallest_set_ups() {
    let issuer = TestIssuer::new();
    let orders = issuer.secret_verifier("orders");
    let token = || issuer.token("alice").algorithm(Algorithm::HS256);
    assert_eq!(code(&orders, &token().sign()), "accepted");
    assert_eq!(code(&orders, &issuer.token("alice").sign()), "algorithm");
    assert_eq!(code(&orders, &token().signed_by(&TestKey::hs256(&[7; 32])).sign()), "signature");
    issuer.advance(HOUR);
    assert_eq!(code(&orders, &token().expired().sign()), "expired");
}

#[test]
fn what_it_publishes_serves_other_verifiers_too() {
    let issuer = TestIssuer::new();
    let keys = KeySet::from_json(issuer.key_set().as_bytes()).unwrap();
    let mut kids: Vec<_> = keys.kids().collect();
    kids.sort_unstable();
    assert_eq!(kids, ["ed-1", "es-1", "rsa-1"], "the odd ones are left out");
    let policy = Policy::new(issuer.name(), ["orders"]).unwrap();
    let orders = Verifier::with_keys(policy, keys).with_clock(issuer.clock());
    assert_eq!(code(&orders, &issuer.token("alice").audience("orders").sign()), "accepted");
    let (uri, list) = issuer.status_list();
    assert_eq!((uri.as_str(), list.split('.').count()), ("https://issuer.test/status-lists/1", 3));
}

#[test]
fn an_application_that_starts_its_verifier_does_no_harm() {
    let issuer = TestIssuer::new();
    let orders = issuer.verifier("orders");
    orders.start(); // without a runtime
    assert_eq!(code(&orders, &issuer.token("alice").sign()), "accepted");
    drop(issuer.clone());
    let token = issuer.token("alice").sign();
    drop(issuer);
    assert_eq!(code(&orders, &token), "accepted");
}
