//! Properties of key sets and of the cache.

use super::shared::KEYS;
use super::shared::cases;
use super::shared::key_set;
use super::shared::says;
use super::shared::signed;
use super::strategies;
use super::strategies::Event;
use crate::support::NOW;
use crate::support::clock;
use crate::support::policy;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use serde_json::json;
use shared_claims::Verifier;
use shared_claims::testing::TestKey;
use shared_claims::verifier::KeySet;
use shared_claims::verifier::ManualClock;
use std::collections::HashSet;
use std::sync::LazyLock;

/// Generates an entry of a key set: an unchanged key, a renamed one, a mixture, or anything.
fn entry() -> impl Strategy<Value = Value> {
    let members = ["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops", "d", "k", "x5c"];
    let own = || (0..4_usize).prop_map(|which| KEYS[which].jwk());
    let renamed = (own(), select(vec!["es", "ed", "rsa", "other"])).prop_map(|(mut jwk, kid)| {
        jwk["kid"] = json!(kid);
        jwk
    });
    let mixed = (own(), own(), select(members.to_vec())).prop_map(|(mut jwk, other, member)| {
        jwk[member] = other[member].clone();
        jwk
    });
    let odd = (own(), select(members.to_vec()), strategies::json()).prop_map(|(mut jwk, member, value)| {
        jwk[member] = value;
        jwk
    });
    prop_oneof![3 => own(), 2 => renamed, 2 => mixed, 2 => odd, 1 => strategies::json()]
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn a_key_set_holds_keys_that_were_there_and_no_others(entries in vec(entry(), 0..8)) {
        let text = json!({"keys": entries}).to_string();
        let Ok(set) = KeySet::from_json(text.as_bytes()) else { return Ok(()) };
        let kids: Vec<_> = set.kids().map(str::to_owned).collect();
        prop_assert!(!kids.is_empty() && kids.len() <= entries.len());
        prop_assert_eq!(kids.iter().collect::<HashSet<_>>().len(), kids.len());
        let of = |kid: &str| entries.iter().filter(|entry| entry["kid"] == kid).collect::<Vec<_>>();
        for kid in &kids {
            prop_assert!(!of(kid).is_empty(), "{} was never there", kid);
        }
        let verifier = Verifier::with_keys(policy(), set).with_clock(clock());
        for key in &KEYS[..3] {
            let (jwk, says) = (key.jwk(), says(&verifier, &signed(key, &crate::support::claims().to_string())));
            let public = |entry: &Value| {
                let mut own = ["x", "y", "n", "e"].into_iter().filter(|name| jwk.get(name).is_some());
                own.all(|name| entry[name] == jwk[name])
            };
            let is_there = of(key.kid()).iter().any(|entry| public(entry));
            prop_assert!(says != "accepted" || is_there, "a key was made up");
            if of(key.kid()) == [&jwk] {
                prop_assert_eq!(says, "accepted", "a good key was lost");
            }
            let rivals = KEYS[..3].iter().filter(|other| other.kid() != key.kid());
            let mut rivals = rivals.map(|other| other.with_kid(key.kid()).jwk());
            if rivals.any(|rival| entries.contains(&rival)) {
                prop_assert_ne!(says, "accepted", "two keys go by one name");
            }
        }
    }

    #[test]
    fn whatever_is_no_key_set_is_an_error(
        text in prop_oneof![vec(any::<u8>(), 0..100), strategies::json().prop_map(|json| json.to_string().into_bytes())],
    ) {
        prop_assert!(KeySet::from_json(&text).is_err());
    }
}

/// A token with its key and its times.
struct Known {
    token: String,
    key: &'static TestKey,
    is_forged: bool,
    begins: u64,
    ends: u64,
}

/// Short and long tokens, earlier and later ones, with all keys, and a forgery of each.
static POOL: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let mut pool = Vec::new();
    for key in &KEYS[..3] {
        for (iat, exp) in [(NOW, NOW + 600), (NOW, NOW + 50), (NOW + 90, NOW + 150)] {
            let mut claims = crate::support::with(crate::support::claims(), "iat", json!(iat));
            claims["exp"] = json!(exp);
            let token = signed(key, &claims.to_string());
            claims["roles"] = json!(["admin"]);
            let (others, own) = (signed(key, &claims.to_string()), token.rsplit_once('.').unwrap().1);
            let forged = format!("{}.{own}", others.rsplit_once('.').unwrap().0);
            for (token, is_forged) in [(token.clone(), false), (forged, true)] {
                pool.push(Known { token, key, is_forged, begins: iat - 30, ends: exp + 30 });
            }
        }
    }
    pool
});

fn chosen(mask: u8) -> Vec<&'static TestKey> {
    KEYS[..3].iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0).map(|(_, key)| key).collect()
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn what_is_remembered_changes_no_verdict_whatever_becomes_of_keys_and_clock(events in strategies::events()) {
        let (mut keys, mut now, time) = (chosen(7), NOW, ManualClock::at(NOW));
        let set = |keys: &[&TestKey]| key_set(keys.iter().map(|key| key.jwk()));
        let verifiers = [0, 1, 4, 10_000].map(|tokens| {
            Verifier::with_keys(policy().cached_tokens(tokens), set(&keys)).with_clock(time.clock())
        });
        for event in &events {
            match event {
                Event::Keys(mask) => {
                    keys = chosen(*mask);
                    for verifier in &verifiers {
                        verifier.set_keys(set(&keys));
                    }
                }
                Event::Time(to) => {
                    now = *to;
                    time.set(now);
                }
                Event::Verify(which) => {
                    let known = &POOL[which % POOL.len()];
                    let expected = match known {
                        Known { key, .. } if !keys.iter().any(|own| own.kid() == key.kid()) => "unknown_key",
                        Known { is_forged: true, .. } => "signature",
                        Known { begins, .. } if now < *begins => "not_yet_valid",
                        Known { ends, .. } if now >= *ends => "expired",
                        _ => "accepted",
                    };
                    for verifier in &verifiers {
                        prop_assert_eq!(says(verifier, &known.token), expected, "{:?}", events);
                    }
                }
            }
        }
    }
}
