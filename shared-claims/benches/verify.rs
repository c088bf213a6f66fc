//! The cost of a verification: a new token compared with the check of its signature alone, and a cached one, with few tokens
//! and many. Also the memory of the cache.
//!
//!     cargo bench -p shared-claims --bench verify
//!
//! Only ratios within one run are meaningful.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a benchmark talks and stops"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use shared_claims::{Policy, Verifier, verifier::KeySet};
use support::{AUDIENCE, ISSUER, Signer, claims, clock, jwks, with};

const ROUNDS: usize = 15;
const CALLS: usize = 400;

fn main() {
    let signer = Signer::es256("key");
    cold(&signer);
    warm(&signer);
}

fn verifier(signer: &Signer, cached_tokens: usize) -> Verifier {
    let policy = Policy::new(ISSUER, [AUDIENCE]).unwrap().cached_tokens(cached_tokens);
    let keys = KeySet::from_json(jwks(&[signer]).as_bytes()).unwrap();
    Verifier::with_keys(policy, keys).with_clock(clock())
}

fn tokens(signer: &Signer, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| signer.token_of(&with(claims(), "jti", json!(format!("token-{number:07}")))))
        .collect()
}

/// Microseconds a call, over a round.
fn time(calls: usize, mut call: impl FnMut(usize)) -> f64 {
    let begin = Instant::now();
    for index in 0..calls {
        call(index);
    }
    begin.elapsed().as_secs_f64() * 1e6 / calls as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// In turns, so that whatever else the machine does meets both.
fn cold(signer: &Signer) {
    let (verifier, tokens) = (verifier(signer, 0), tokens(signer, CALLS));
    let jwk = signer.jwk();
    let decode = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let point = [vec![4], decode("x"), decode("y")].concat();
    let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).unwrap();
    let parts: Vec<(&str, Vec<u8>)> = tokens
        .iter()
        .map(|token| {
            let (message, signature) = token.rsplit_once('.').unwrap();
            (message, URL_SAFE_NO_PAD.decode(signature).unwrap())
        })
        .collect();
    let (mut bare, mut whole, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let signature = time(CALLS, |index| {
            let (message, signature) = &parts[index];
            key.verify_sig(message.as_bytes(), signature).unwrap();
        });
        let verification = time(CALLS, |index| {
            black_box(verifier.verify_now(&tokens[index]).unwrap());
        });
        ratios.push(verification / signature);
        bare.push(signature);
        whole.push(verification);
    }
    println!(
        "a token that is new: {:.1} us, the bare ES256 check of aws-lc {:.1} us, ratio {:.3}",
        median(whole),
        median(bare),
        median(ratios)
    );
}

fn warm(signer: &Signer) {
    for count in [1, 1_000, 10_000, 1_000_000] {
        let verifier = verifier(signer, count.max(10_000));
        let before = resident();
        let begin = Instant::now();
        let tokens = tokens(signer, count);
        let (made, held) = (begin.elapsed(), resident());
        for token in &tokens {
            verifier.verify_now(token).unwrap();
        }
        let filled = resident();
        // An order that no cache of the processor can guess.
        let step = if count > 1 { count * 5 / 8 + 1 } else { 1 } | 1;
        let calls = 200_000.max(CALLS);
        let rounds = (0..5).map(|_| {
            time(calls, |index| {
                black_box(verifier.verify_now(&tokens[index.wrapping_mul(step) % count]).unwrap());
            })
        });
        let hit = median(rounds.collect());
        let each = if count >= 10_000 {
            format!(", {:.2} KiB of memory each", (filled - held) / count as f64 / 1024.0)
        } else {
            String::new()
        };
        println!(
            "{count} tokens, remembered: {hit:.2} us{each} (made in {:.0} s; {:.0} MiB)",
            Duration::as_secs_f64(&made),
            (held - before) / 1024.0 / 1024.0
        );
    }
}

/// The memory of this process, in bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}
