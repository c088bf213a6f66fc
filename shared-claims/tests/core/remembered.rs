//! Attacks on cached tokens: forgeries made from them, and everything that can happen to a valid token later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::support::dice::Dice;
use shared_claims::{
    AccessToken, Policy, Remote, Verifier,
    http::token_in,
    testing::{Forgery, TestIssuer},
    verifier::{Algorithm, ManualClock, Observer},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Notes whether the latest accepted token was cached.
#[derive(Clone, Default)]
struct Latest(Arc<AtomicBool>);

impl Observer for Latest {
    fn verified(&self, _: &AccessToken, remembered: bool) {
        self.0.store(remembered, Ordering::Relaxed);
    }
}

/// A verifier, and whether its latest token was cached.
struct Watched {
    verifier: Verifier,
    latest: Latest,
}

impl Watched {
    fn new(verifier: Verifier) -> Self {
        let latest = Latest::default();
        Self { verifier: verifier.with_observer(latest.clone()), latest }
    }

    /// Returns the code of a refusal, or whether the token was cached.
    fn says(&self, token: &str) -> &'static str {
        match self.verifier.verify_now(token) {
            Err(refusal) => refusal.code(),
            Ok(_) if self.latest.0.load(Ordering::Relaxed) => "remembered",
            Ok(_) => "verified anew",
        }
    }

    /// Verifies a valid token until it is cached.
    fn learn(&self, token: &str) {
        assert_eq!((self.says(token), self.says(token)), ("verified anew", "remembered"));
    }
}

/// Returns the token of this request.
fn sent(forgery: &Forgery) -> Option<String> {
    if let Some(token) = forgery.token() {
        return Some(token.to_owned());
    }
    let headers = forgery.headers().unwrap();
    let values = headers.iter().filter(|(name, _)| *name == "authorization").map(|(_, value)| &value[..]);
    token_in(values).ok().map(str::to_owned)
}

#[test]
fn no_forgery_profits_from_the_cached_token_that_it_was_made_from() {
    let issuer = TestIssuer::new();
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
        issuer.sign_with(algorithm);
        let partner = TestIssuer::named("https://partner.test").verifier("orders");
        let of_two = Verifier::any_of([issuer.verifier("orders"), partner]).unwrap();
        for verifier in [issuer.verifier("orders"), of_two] {
            let orders = Watched::new(verifier);
            let forgeries: Vec<_> = issuer.token("alice").scope("orders:read").forgeries().collect();
            let originals: Vec<_> =
                forgeries[0].originals().iter().map(|good| good.token().unwrap()).collect();
            for good in &originals {
                orders.learn(good);
            }
            let mut wrong = Vec::new();
            for forgery in &forgeries {
                let Some(token) = sent(forgery) else { continue };
                let (first, second) = (orders.says(&token), orders.says(&token));
                let refused = !["remembered", "verified anew"].contains(&first);
                if !refused || first != second || (forgery.code != first && !forgery.code.is_empty()) {
                    wrong.push(format!("{first}, then {second}, instead of {}: {forgery}", forgery.code));
                }
            }
            assert!(wrong.is_empty(), "{} with {algorithm}:\n{}", wrong.len(), wrong.join("\n"));
            for good in &originals {
                assert_eq!(orders.says(good), "remembered", "no forgery pushes it out either");
            }
        }
    }
}

#[test]
fn one_verifiers_cache_does_not_serve_another() {
    let issuer = TestIssuer::new();
    let (orders, billing) =
        (Watched::new(issuer.verifier("orders")), Watched::new(issuer.verifier("billing")));
    let token = issuer.token("alice").audience("orders").sign();
    orders.learn(&token);
    assert_eq!((billing.says(&token), billing.says(&token)), ("audience", "audience"));
    let namesake = TestIssuer::new(); // the same name, other keys
    let theirs = Watched::new(namesake.verifier("orders"));
    assert_eq!(theirs.says(&token), "signature");
    assert_eq!(orders.says(&token), "remembered");
}

#[test]
fn a_cached_token_is_refused_from_the_moment_it_is_revoked() {
    let issuer = TestIssuer::new();
    let orders = Watched::new(issuer.verifier("orders"));
    let (alice, bob) = (issuer.token("alice").sign(), issuer.token("bob").sign());
    orders.learn(&alice);
    orders.learn(&bob);
    issuer.revoke(&alice);
    assert_eq!((orders.says(&alice), orders.says(&alice)), ("revoked", "revoked"));
    assert_eq!(orders.says(&bob), "remembered");
    issuer.rotate();
    issuer.withdraw();
    assert_eq!(orders.says(&alice), "unknown_key");
}

#[test]
fn a_cached_token_is_verified_again_after_a_rotation_and_refused_once_its_key_is_withdrawn() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
        let issuer = TestIssuer::new();
        issuer.sign_with(algorithm);
        let orders = Watched::new(issuer.verifier("orders"));
        let old = issuer.token("alice").sign();
        orders.learn(&old);
        issuer.rotate();
        orders.learn(&old);
        let new = issuer.token("alice").sign();
        orders.learn(&new);
        issuer.withdraw();
        assert_eq!((orders.says(&old), orders.says(&old)), ("unknown_key", "unknown_key"));
        orders.learn(&new);
    }
}

#[test]
fn a_cached_token_expires_by_the_clock_and_is_valid_again_when_the_clock_is_corrected() {
    let time = ManualClock::at(1_900_000_000);
    let issuer = TestIssuer::with_clock("https://issuer.test", &time);
    let by_keys = Watched::new(issuer.verifier("orders"));
    let by_secret = Watched::new(issuer.secret_verifier("orders"));
    let minute = || issuer.token("alice").expires_in(Duration::from_secs(60));
    let tokens = [minute().sign(), minute().algorithm(Algorithm::HS256).sign()];
    let both = || [by_keys.says(&tokens[0]), by_secret.says(&tokens[1])];
    by_keys.learn(&tokens[0]);
    by_secret.learn(&tokens[1]);
    issuer.advance(Duration::from_secs(60 + 29));
    assert_eq!(both(), ["remembered"; 2]);
    issuer.advance(Duration::from_secs(1));
    assert_eq!(both(), ["expired"; 2]);
    time.set(1_900_000_000 - 31);
    assert_eq!(both(), ["not_yet_valid"; 2], "more than the leeway before it was issued");
    time.set(1_900_000_000 - 30);
    assert_eq!(both(), ["remembered"; 2]);
}

#[test]
fn a_cached_token_is_no_longer_accepted_once_keys_and_lists_are_too_old() {
    let issuer = TestIssuer::new();
    let orders = Watched::new(issuer.verifier("orders"));
    let long = || issuer.token("alice").expires_in(100 * HOUR).sign();
    let (token, revoked) = (long(), long());
    orders.learn(&token);
    orders.learn(&revoked);
    issuer.go_offline();
    issuer.revoke(&revoked);
    issuer.advance(23 * HOUR);
    assert_eq!(
        (orders.says(&token), orders.says(&revoked)),
        ("remembered", "remembered"),
        "the issuer is offline"
    );
    issuer.advance(HOUR);
    assert_eq!((orders.says(&token), orders.says(&revoked)), ("unavailable", "unavailable"));
    issuer.go_online();
    assert_eq!((orders.says(&token), orders.says(&revoked)), ("remembered", "revoked"));
}

#[test]
fn whatever_happens_verifiers_with_a_cache_agree_with_one_without() {
    for seed in 0..12 {
        let (mut dice, issuer) = (Dice::of(seed), TestIssuer::new());
        let [forgetful, small, usual] = [0, 3, 10_000].map(|tokens| {
            let policy = Policy::new(issuer.name(), ["orders"]).unwrap().cached_tokens(tokens);
            issuer.verifier_with(policy, Remote::discover()).unwrap()
        });
        let (mut tokens, mut story) = (Vec::new(), Vec::new());
        for _ in 0..60 {
            let event =
                ["token", "token", "rotate", "withdraw", "revoke", "wait", "go", "come"][dice.below(8)];
            story.push(event);
            match event {
                "token" => {
                    let algorithm = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256][dice.below(3)];
                    let life = Duration::from_secs([60, 600, 1_000_000][dice.below(3)]);
                    tokens.push(issuer.token("alice").algorithm(algorithm).expires_in(life).sign());
                }
                "rotate" => issuer.rotate(),
                "withdraw" => issuer.withdraw(),
                "revoke" if !tokens.is_empty() => issuer.revoke(&tokens[dice.below(tokens.len())]),
                "wait" => issuer.advance(Duration::from_secs([30, 300, 50_000][dice.below(3)])),
                "go" => issuer.go_offline(),
                "come" => issuer.go_online(),
                _ => {}
            }
            for token in &tokens {
                let says = |verifier: &Verifier| verifier.verify_now(token).map(drop).map_err(|is| is.code());
                let expected = says(&forgetful);
                assert_eq!((says(&small), says(&usual)), (expected, expected), "{seed}: {story:?}");
            }
        }
    }
}
