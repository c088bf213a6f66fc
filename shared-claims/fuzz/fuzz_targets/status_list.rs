//! Any bytes as the payload of a signed status list, and as a whole signed list.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use shared_claims::{fuzzing, verifier::KeySet};
use shared_claims_fuzz::{ISSUER, NOW, RSA, key_set, policy};

static KEYS: LazyLock<KeySet> = LazyLock::new(|| key_set(&RSA));
const MOST_BYTES: usize = 64 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let uri = format!("{ISSUER}/status-lists/1");
    let signed = RSA.compact(r#"{"typ":"statuslist+jwt","alg":"RS256","kid":"rsa"}"#, bytes);
    for token in [Some(signed.as_str()), std::str::from_utf8(bytes).ok()].into_iter().flatten() {
        fuzzing::status_list(token, &KEYS, &policy(), &uri, NOW, MOST_BYTES);
    }
});
