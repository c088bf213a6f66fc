//! Randomness, from the operating system's generator by way of aws-lc. The only place that makes it.

use aws_lc_rs::rand;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Random bytes that are wiped when they are dropped.
///
/// # Panics
/// When the operating system has no randomness to give: nothing that this program does is safe without.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that makes randomness")]
#[expect(clippy::expect_used, reason = "a process without randomness must stop")]
pub fn bytes<const N: usize>() -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0; N]);
    rand::fill(bytes.as_mut_slice()).expect("the operating system gives randomness");
    bytes
}

/// A new identifier: `UUIDv7` (RFC 9562 section 5.7), so that rows made one after the other lie beside each other.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that makes identifiers")]
pub fn id() -> String {
    Uuid::now_v7().to_string()
}
