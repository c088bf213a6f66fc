//! Any bytes as the header of a correctly signed token. Accepted ones are what RFC 9068 section 4 requires.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use shared_claims_fuzz::{BY_SECRET, SHARED, claims};

fuzz_target!(|bytes: &[u8]| {
    if BY_SECRET.verify_now(&SHARED.compact(bytes, claims().to_string())).is_err() {
        return;
    }
    let header: Map<String, Value> = serde_json::from_slice(bytes).expect("accepted, and no JSON object");
    assert_eq!(header["alg"], "HS256");
    let typ = header["typ"].as_str().expect("accepted without a type").to_ascii_lowercase();
    assert!(["at+jwt", "application/at+jwt"].contains(&typ.as_str()), "accepted the type {typ}");
    assert!(!["crit", "b64", "cty"].iter().any(|name| header.contains_key(*name)), "accepted {header:?}");
});
