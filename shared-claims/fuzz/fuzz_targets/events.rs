//! Any bytes as an event stream. The first byte is the size of the pieces in which it arrives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shared_claims::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    let Some((piece, text)) = bytes.split_first() else { return };
    fuzzing::events(text, usize::from(*piece));
});
