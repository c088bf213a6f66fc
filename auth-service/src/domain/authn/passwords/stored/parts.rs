//! Salts and digests.

/// Shorter salts are not accepted (NIST SP 800-63B-4 section 3.1.1.2: 32 bits).
const SALT_BYTES: std::ops::RangeInclusive<usize> = 4..=256;
/// With a shorter digest, wrong passwords would be right too often; a longer one is computed block by block at our cost.
const DIGEST_BYTES: std::ops::RangeInclusive<usize> = 16..=128;

/// Returns a salt and a digest if their lengths are plausible.
pub(super) fn sound(salt: Vec<u8>, digest: Vec<u8>) -> Option<(Vec<u8>, Vec<u8>)> {
    (SALT_BYTES.contains(&salt.len()) && DIGEST_BYTES.contains(&digest.len())).then_some((salt, digest))
}

/// Compares digests in constant time.
pub(super) fn equal(computed: &[u8], stored: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(computed, stored).is_ok()
}
