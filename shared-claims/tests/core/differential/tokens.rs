//! This crate's half of the differential test: writes down thousands of tokens, valid ones, forgeries and mutants, each with the
//! result. `scripts/differential-test` has `PyJWT` verify the same tokens: it must accept every token that is accepted here.
//!
//! A seed always produces the same mutants, except for the keys, which are new each time, and the randomness of ECDSA.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use shared_claims::{
    AccessToken, Policy, Verifier,
    error::Refusal,
    testing::{TestIssuer, TestKey},
    verifier::{Algorithm, KeySet, ManualClock},
};

use super::{
    json::{Object, change, escaped, number, spaced},
    tables::{CLAIMS, HEADER},
    text,
};
use crate::support::{NOW, b64, dice::Dice};

const AUDIENCE: &str = "orders";
const LEEWAY: u64 = 30;
/// The lifetime of a valid token.
const LIFE: u64 = 600;

/// Returns a number that `scripts/differential-test` may set.
#[expect(clippy::disallowed_methods, reason = "the script sets it in the environment")]
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// Writes the lines, with the results of these verifiers.
struct Book {
    time: ManualClock,
    by_keys: Verifier,
    by_secret: Verifier,
    out: BufWriter<File>,
    /// How many were accepted and refused, by kind.
    counts: BTreeMap<&'static str, [usize; 2]>,
}

impl Book {
    fn of(issuer: &TestIssuer, time: ManualClock) -> Self {
        let policy = Policy::new(issuer.name(), [AUDIENCE]).unwrap();
        let keys = KeySet::from_json(issuer.key_set().as_bytes()).unwrap();
        let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/differential.jsonl");
        let mut book = Self {
            by_keys: Verifier::with_keys(policy, keys).with_clock(time.clock()),
            by_secret: issuer.secret_verifier(AUDIENCE),
            out: BufWriter::new(File::create(path).unwrap()),
            counts: BTreeMap::new(),
            time,
        };
        let keys = KEYS.map(|algorithm| issuer.key_of(algorithm).jwk());
        book.write(&json!({"issuer": issuer.name(), "audience": AUDIENCE, "leeway": LEEWAY, "keys": keys}));
        book
    }

    fn write(&mut self, line: &Value) {
        writeln!(self.out, "{line}").unwrap();
    }

    /// Verifies a token twice: the second time, it may be cached.
    fn judge(&mut self, kind: &'static str, made: &str, token: &str, at: u64, by_secret: bool) -> bool {
        let verifier = if by_secret { &self.by_secret } else { &self.by_keys };
        self.time.set(at);
        let judged = verifier.verify_now(token);
        let again = verifier.verify_now(token);
        assert_eq!(verdict(&judged), verdict(&again), "{kind}: {made}: {token}");
        let claims = judged.as_ref().ok().map(|token| json!(**token));
        let line = json!({
            "kind": kind, "made": made, "token": token, "at": at, "key": if by_secret { "shared" } else { "its kid" },
            "verdict": verdict(&judged), "why": judged.as_ref().err().map(ToString::to_string), "claims": claims,
        });
        self.write(&line);
        self.counts.entry(kind).or_default()[usize::from(judged.is_err())] += 1;
        judged.is_ok()
    }
}

fn verdict(judged: &Result<AccessToken, Refusal>) -> &'static str {
    judged.as_ref().map_or_else(Refusal::code, |_| "accepted")
}

/// Signing by RSA is slow; the others get more tokens.
const KEYS: [Algorithm; 4] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256, Algorithm::RS256];
const SHARES: [usize; 10] = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3];

/// Creates mutants of valid tokens.
struct Mutants {
    dice: Dice,
    keys: [TestKey; 4],
    claims: Object,
    made: usize,
}

impl Mutants {
    fn of(issuer: &TestIssuer, seed: u64) -> Self {
        let token = issuer.token("alice").scope("orders:read").claim("email", "alice@example.com").sign();
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims = Object::of(&serde_json::from_slice(&payload).unwrap());
        Self { dice: Dice::of(seed), keys: KEYS.map(|algorithm| issuer.key_of(algorithm)), claims, made: 0 }
    }

    /// Returns the claims of a new valid token, and its header.
    fn good(&mut self, key: &TestKey) -> (Object, Object) {
        self.made += 1;
        let mut claims = self.claims.clone();
        claims.set("jti", format!("\"{}\"", self.made));
        for optional in ["nbf", "sid", "status", "email", "username", "auth_time", "scope", "roles"] {
            if self.dice.once_in(4) {
                claims.0.retain(|(name, _)| name.trim_matches('"') != optional);
            }
        }
        let header = json!({"typ": "at+jwt", "alg": key.algorithm(), "kid": key.kid()});
        (Object::of(&header), claims)
    }

    fn token(&mut self, book: &mut Book) {
        let key = self.keys[SHARES[self.dice.below(SHARES.len())]].clone();
        let (mut header, mut claims) = self.good(&key);
        let (mut done, mut at) = (Vec::new(), NOW);
        let dice = &mut self.dice;
        let own = |text: String| text.replace("{alg}", key.algorithm().as_str()).replace("{kid}", key.kid());
        let kind = match dice.below(20) {
            0..=3 => "claims",
            4 | 5 => "header",
            6..=9 => "dates",
            10..=13 => "spelling",
            14 | 15 => "bytes",
            16 => "encoding",
            _ => "after signing",
        };
        match kind {
            "claims" => {
                for _ in 0..=dice.below(2) {
                    done.push(change(dice, &mut claims, CLAIMS));
                }
            }
            "header" => {
                for _ in 0..=dice.below(2) {
                    done.push(own(change(dice, &mut header, HEADER)));
                }
                for (_, text) in &mut header.0 {
                    *text = own(text.clone());
                }
            }
            "dates" => {
                for _ in 0..=dice.below(2) {
                    done.push(date(dice, &mut claims));
                }
                if dice.once_in(3) {
                    let around = [NOW - LEEWAY, NOW + LEEWAY, NOW + LIFE, NOW + LIFE + LEEWAY][dice.below(4)];
                    at = around + [0, 1, 2][dice.below(3)] - 1;
                }
            }
            _ => {}
        }
        let (mut header, mut claims) = (header.text(), claims.text());
        if kind == "spelling" || dice.once_in(8) {
            let rarity = [1, 2, 8, 40][dice.below(4)];
            (header, claims) = (spaced(dice, &header, rarity), spaced(dice, &claims, rarity));
            (header, claims) = (escaped(dice, &header, 2 * rarity), escaped(dice, &claims, rarity));
            done.push(format!("blanks and escapes, one in {rarity}"));
        }
        let (mut header, mut claims) = (header.into_bytes(), claims.into_bytes());
        if kind == "bytes" {
            let (part, name) =
                if dice.once_in(3) { (&mut header, "header") } else { (&mut claims, "payload") };
            done.push(format!("{name}: {}", text::bytes(dice, part)));
        }
        let signed = if kind == "encoding" {
            let (header, how) = text::encoded(dice, &header);
            let (claims, why) = text::encoded(dice, &claims);
            done.push(format!("header {how}, payload {why}"));
            format!("{header}.{claims}")
        } else {
            format!("{}.{}", b64(header), b64(claims))
        };
        let mut token = format!("{signed}.{}", b64(key.sign(signed.as_bytes())));
        let mut is_good = true;
        if kind == "after signing" {
            let (header, claims) = self.good(&key);
            let other = key.compact(header.text(), claims.text());
            let (changed, how) = text::token(&mut self.dice, &key, &token, &other);
            is_good = changed == token || how == text::TWIN;
            (token, done) = (changed, vec![how]);
        }
        let made = format!("{}: {}", key.algorithm(), done.join("; "));
        let by_secret = key.algorithm() == Algorithm::HS256;
        let accepted = book.judge(kind, &made, &token, at, by_secret);
        assert!(is_good || !accepted, "changed after it was signed, and accepted: {made}: {token}");
    }
}

/// Writes a date near a limit, in one of many ways.
fn date(dice: &mut Dice, claims: &mut Object) -> String {
    let (name, edge) =
        [("exp", NOW - LEEWAY), ("iat", NOW + LEEWAY), ("nbf", NOW + LEEWAY), ("auth_time", NOW)]
            [dice.below(4)];
    let edge = if name == "exp" && dice.once_in(2) { NOW + LIFE } else { edge };
    let seconds = edge + [0, 1, 2, 3][dice.below(4)] - 2;
    let text = number(dice, seconds);
    claims.set(name, text.as_str());
    format!("{name}: {text}")
}

#[test]
fn mutants_and_forgeries_are_written_down_and_none_that_was_changed_after_signing_is_accepted() {
    let time = ManualClock::at(NOW);
    let issuer = TestIssuer::with_clock("https://issuer.test", &time);
    let mut book = Book::of(&issuer, time);
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
        issuer.sign_with(algorithm);
        let alice = issuer.token("alice").scope("orders:read");
        for genuine in alice.genuine() {
            let Some(token) = genuine.token() else { continue };
            assert!(book.judge("genuine", &genuine.name, token, NOW, false), "{}", genuine.name);
        }
        for forgery in alice.forgeries() {
            let Some(token) = forgery.token() else { continue };
            for by_secret in [false, true] {
                let accepted = book.judge("forgery", &forgery.to_string(), token, NOW, by_secret);
                // A verifier with fixed keys does not check statuses, and so accepts any index.
                assert!(!accepted || forgery.why.number == 24, "accepted: {forgery}");
            }
        }
    }
    let mut mutants = Mutants::of(&issuer, setting("DIFFERENTIAL_SEED", 1));
    for _ in 0..setting("DIFFERENTIAL_MUTANTS", 4000) {
        mutants.token(&mut book);
    }
    println!("accepted and refused: {:?}", book.counts);
    for kind in ["claims", "header", "dates", "spelling", "bytes", "encoding", "after signing"] {
        let [accepted, refused] = book.counts[kind];
        assert!(accepted > 0, "{kind}: nothing is learned from what is always refused");
        assert!(refused > 0 || kind == "spelling", "{kind}: nothing is tried");
    }
    book.out.flush().unwrap();
}
