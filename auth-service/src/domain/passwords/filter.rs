//! A Bloom filter: where the bits of a text lie. `build.rs` sets them for each common password; the policy looks at them.
//! With 80,000 passwords in it, one in some 250,000 others is taken for one of them.

/// 2^21 bits.
pub(crate) const BYTES: usize = 1 << 18;
/// The best number for this many bits and passwords is near it.
const HASHES: u64 = 16;

/// The bytes and the bits in them.
pub(crate) fn places(text: &str) -> impl Iterator<Item = (usize, u8)> {
    // FNV-1a, mixed as SplitMix64 does: nobody gains by finding two texts with the same bits.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let (first, step) = (mixed ^ (mixed >> 31), mixed.rotate_left(32) | 1);
    (0..HASHES).map(move |index| {
        let bit = first.wrapping_add(step.wrapping_mul(index)) % (BYTES as u64 * 8);
        (usize::try_from(bit / 8).unwrap_or_default(), 1 << (bit % 8))
    })
}
