//! Any bytes as a key set. It is refused, or has keys, none of which has signed another issuer's token.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use shared_claims::verifier::KeySet;
use shared_claims_fuzz::{RSA, by, claims, header};

/// Signed by a key, and naming one that no set of the fuzzer's has.
static TOKEN: LazyLock<String> =
    LazyLock::new(|| RSA.with_kid("k").compact(header(&RSA.with_kid("k")).to_string(), claims().to_string()));

fuzz_target!(|bytes: &[u8]| {
    let Ok(keys) = KeySet::from_json(bytes) else { return };
    let kids: Vec<String> = keys.kids().map(str::to_owned).collect();
    assert!((1..=100).contains(&kids.len()), "{} keys", kids.len());
    assert!(kids.iter().all(|kid| (1..=256).contains(&kid.len())), "{kids:?}");
    assert!(by(keys).verify_now(&TOKEN).is_err());
});
