//! Cached tokens: what can change is checked at each use. Also custom claims, verifiers of several issuers, and observers.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{AUDIENCE, ISSUER, NOW, Signer, claims, jwks, with};
use serde::Deserialize;
use serde_json::json;
use shared_claims::{
    AccessToken, Policy, Verifier,
    error::{Refusal, SetupError},
    verifier::{KeySet, ManualClock, Observer, Readiness},
};

const OTHER_ISSUER: &str = "https://partner.example";

/// Counts outcomes.
#[derive(Clone, Default)]
struct Counts {
    anew: Arc<AtomicUsize>,
    remembered: Arc<AtomicUsize>,
    refused: Arc<Mutex<Vec<&'static str>>>,
}

impl Observer for Counts {
    fn verified(&self, _: &AccessToken, remembered: bool) {
        let which = if remembered { &self.remembered } else { &self.anew };
        which.fetch_add(1, Ordering::Relaxed);
    }

    fn refused(&self, refusal: &Refusal) {
        self.refused.lock().unwrap().push(refusal.code());
    }
}

impl Counts {
    fn take(&self) -> (usize, usize) {
        (self.anew.swap(0, Ordering::Relaxed), self.remembered.swap(0, Ordering::Relaxed))
    }
}

struct World {
    signer: Signer,
    clock: ManualClock,
    counts: Counts,
    verifier: Verifier,
}

fn world(change: impl FnOnce(Policy) -> Policy) -> World {
    let (signer, clock, counts) = (Signer::es256("key"), ManualClock::at(NOW), Counts::default());
    let policy = change(Policy::new(ISSUER, [AUDIENCE]).unwrap());
    let verifier =
        Verifier::with_keys(policy, keys(&signer)).with_clock(clock.clock()).with_observer(counts.clone());
    World { signer, clock, counts, verifier }
}

fn keys(signer: &Signer) -> KeySet {
    KeySet::from_json(jwks(&[signer]).as_bytes()).unwrap()
}

fn token(signer: &Signer, number: usize) -> String {
    signer.token_of(&with(claims(), "jti", json!(format!("token-{number}"))))
}

#[test]
fn a_cached_token_is_not_verified_again() {
    let world = world(|policy| policy);
    let token = token(&world.signer, 1);
    for _ in 0..3 {
        assert_eq!(world.verifier.verify_now(&token).unwrap().jti, "token-1");
    }
    assert_eq!(world.counts.take(), (1, 2));
    let forgetful = self::world(|policy| policy.cached_tokens(0));
    for _ in 0..3 {
        forgetful.verifier.verify_now(&self::token(&forgetful.signer, 1)).unwrap();
    }
    assert_eq!(forgetful.counts.take(), (3, 0));
}

#[test]
fn a_cached_token_expires_and_is_not_valid_before_its_time() {
    let world = world(|policy| policy);
    let token = token(&world.signer, 1);
    world.verifier.verify_now(&token).unwrap();
    world.clock.advance(Duration::from_secs(600 + 29));
    world.verifier.verify_now(&token).unwrap();
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.verifier.verify_now(&token).unwrap_err(), Refusal::Expired);
    world.clock.set(NOW - 31); // the clock was corrected
    assert_eq!(world.verifier.verify_now(&token).unwrap_err(), Refusal::NotYetValid);
    world.clock.set(NOW);
    world.verifier.verify_now(&token).unwrap();
    world.verifier.verify_expired(&token).unwrap();
}

#[test]
fn a_cached_token_is_refused_when_its_key_is_gone() {
    let world = world(|policy| policy);
    let token = token(&world.signer, 1);
    world.verifier.verify_now(&token).unwrap();
    world.verifier.set_keys(keys(&Signer::es256("another")));
    assert_eq!(world.verifier.verify_now(&token).unwrap_err(), Refusal::UnknownKey);
    // The same name, another key.
    world.verifier.set_keys(keys(&Signer::es256("key")));
    assert_eq!(world.verifier.verify_now(&token).unwrap_err(), Refusal::Signature);
    world.verifier.set_keys(keys(&world.signer));
    world.verifier.verify_now(&token).unwrap();
}

#[test]
fn forged_tokens_are_not_cached_and_evict_no_token() {
    let world = world(|policy| policy.cached_tokens(4));
    let (good, stranger) = (token(&world.signer, 1), Signer::es256("key"));
    world.verifier.verify_now(&good).unwrap();
    world.counts.take();
    for number in 0..200 {
        for _ in 0..2 {
            let forged = token(&stranger, number);
            assert_eq!(world.verifier.verify_now(&forged).unwrap_err(), Refusal::Signature);
        }
        // Changes one character of the valid token's signature.
        let mut touched = good.clone().into_bytes();
        let at = touched.len() - 2 - number % 40;
        touched[at] = if touched[at] == b'A' { b'B' } else { b'A' };
        assert!(world.verifier.verify_now(str::from_utf8(&touched).unwrap()).is_err());
    }
    world.verifier.verify_now(&good).unwrap();
    assert_eq!(world.counts.take(), (0, 1), "still remembered");
    assert_eq!(world.counts.refused.lock().unwrap().len(), 600);
}

#[test]
fn the_cache_holds_no_more_tokens_than_its_limit_and_keeps_those_in_use() {
    let world = world(|policy| policy.cached_tokens(100));
    let usual: Vec<_> = (0..20).map(|number| token(&world.signer, number)).collect();
    for round in 0..50 {
        for token in &usual {
            world.verifier.verify_now(token).unwrap();
        }
        world.verifier.verify_now(&token(&world.signer, 1000 + round)).unwrap();
    }
    world.counts.take();
    for number in 0..2_000 {
        world.verifier.verify_now(&token(&world.signer, 10_000 + number)).unwrap();
        world.verifier.verify_now(&usual[number % 20]).unwrap();
    }
    let (anew, remembered) = world.counts.take();
    assert!(remembered >= 1_900, "the flood of {anew} did not push out what is used: {remembered}");
    let many: usize = (0..2_000)
        .filter(|number| {
            world.verifier.verify_now(&token(&world.signer, 10_000 + number)).unwrap();
            world.counts.take() == (0, 1)
        })
        .count();
    assert!(many <= 150, "bounded: {many}");
}

#[test]
fn verifiers_of_two_audiences_do_not_share_a_cache() {
    let world = world(|policy| policy);
    let policy = Policy::new(ISSUER, ["another-service"]).unwrap();
    let other = Verifier::with_keys(policy, keys(&world.signer)).with_clock(world.clock.clock());
    let token = token(&world.signer, 1);
    world.verifier.verify_now(&token).unwrap();
    assert_eq!(other.verify_now(&token).unwrap_err(), Refusal::Audience);
    assert_eq!(other.verify_now(&token).unwrap_err(), Refusal::Audience);
    world.verifier.verify_now(&token).unwrap();
}

#[derive(Debug, Deserialize, PartialEq)]
struct Tenant {
    tenant: String,
}

#[derive(Debug, Deserialize)]
struct Named {
    username: String,
}

#[test]
fn an_application_reads_claims_of_its_own() {
    let world = world(|policy| policy);
    let text = world.signer.token_of(&with(claims(), "tenant", json!("acme")));
    let first = world.verifier.verify_now(&text).unwrap().read::<Tenant>().unwrap();
    assert_eq!((first.claims.tenant.as_str(), first.token.name()), ("acme", "ada"));
    let again = world.verifier.verify_now(&text).unwrap().read::<Tenant>().unwrap();
    assert!(Arc::ptr_eq(&first.claims, &again.claims), "read once");
    let other = world.verifier.verify_now(&text).unwrap().read::<Named>().unwrap();
    assert_eq!(other.claims.username, "ada");
    let without = world.verifier.verify_now(&token(&world.signer, 1)).unwrap().read::<Tenant>();
    assert_eq!(without.unwrap_err().code(), "malformed");
}

#[test]
fn each_of_several_issuers_vouches_for_its_own_tokens_alone() {
    let (ours, partners) = (Signer::es256("key"), Signer::eddsa("key"));
    let clock = ManualClock::at(NOW);
    let make = |issuer: &str, signer: &Signer| {
        let policy = Policy::new(issuer, [AUDIENCE]).unwrap();
        Verifier::with_keys(policy, keys(signer)).with_clock(clock.clock())
    };
    let (own, other) = (make(ISSUER, &ours), make(OTHER_ISSUER, &partners));
    assert_eq!(Verifier::any_of([own.clone(), own.clone()]).unwrap_err(), SetupError::Issuers);
    assert_eq!(Verifier::any_of([]).unwrap_err(), SetupError::Issuers);
    let counts = Counts::default();
    let verifier = Verifier::any_of([own, other]).unwrap().with_observer(counts.clone());
    let of_partner = with(claims(), "iss", json!(OTHER_ISSUER));
    let good = [ours.token(), partners.token_of(&of_partner)];
    for _ in 0..2 {
        assert_eq!(verifier.verify_now(&good[0]).unwrap().iss, ISSUER);
        assert_eq!(verifier.verify_now(&good[1]).unwrap().iss, OTHER_ISSUER);
    }
    assert_eq!(counts.take(), (2, 2));
    for (forged, why) in [
        (ours.token_of(&of_partner), Refusal::Algorithm), // our key, their name
        (partners.token(), Refusal::Algorithm),           // their key, our name
        (ours.token_of(&with(claims(), "iss", json!("https://unknown.example"))), Refusal::Issuer),
        (ours.token_of(&with(claims(), "iss", json!([ISSUER, OTHER_ISSUER]))), Refusal::Malformed("")),
        ("x.y.z".to_owned(), Refusal::Malformed("")),
    ] {
        assert_eq!(verifier.verify_now(&forged).unwrap_err().code(), why.code());
    }
    assert!(matches!(verifier.readiness(), Readiness::Ready { .. }));
    clock.advance(Duration::from_secs(3600));
    assert_eq!(verifier.verify_now(&good[1]).unwrap_err(), Refusal::Expired);
    assert_eq!(verifier.verify_expired(&good[1]).unwrap().iss, OTHER_ISSUER);
}
