//! Any text as a token. Each valid token has one encoding, and nothing else is accepted.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use shared_claims_fuzz::{BY_KEY, BY_SECRET, RSA, SHARED, claims, header};

/// One for each verifier: `seeds/token` holds them as well.
static GOOD: LazyLock<[String; 2]> =
    LazyLock::new(|| [&*SHARED, &*RSA].map(|key| key.compact(header(key).to_string(), claims().to_string())));

fuzz_target!(|text: &str| {
    for (verifier, good) in [&*BY_SECRET, &*BY_KEY].into_iter().zip(&*GOOD) {
        // Twice: the second answer may come from what is remembered.
        for _ in 0..2 {
            assert_eq!(verifier.verify_now(text).is_ok(), text == good);
        }
        assert_eq!(verifier.verify_expired(text).is_ok(), text == good);
    }
});
