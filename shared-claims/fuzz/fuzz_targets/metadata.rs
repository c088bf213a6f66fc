//! Any bytes as an issuer's metadata, followed by a NUL and the URI of a status list.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shared_claims::fuzzing;
use shared_claims_fuzz::ISSUER;

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let list = String::from_utf8_lossy(bytes.get(end + 1..).unwrap_or_default());
    fuzzing::metadata(ISSUER, &bytes[..end], &list);
});
