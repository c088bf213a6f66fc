//! Sums of large numbers, for signatures that are wrong in the ways mathematics allows.

/// The order of P-256.
pub(super) const P256_N: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// The order of Ed25519's group, little-endian.
pub(super) const ED25519_L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Returns `a + b`, big-endian, as long as `a`. The overflow is dropped.
pub(super) fn add(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    digits(a, b, |a, b| {
        let sum = u16::from(a) + u16::from(b) + carry;
        carry = sum >> 8;
        sum.to_le_bytes()[0]
    })
}

/// Returns `a - b`, big-endian, as long as `a`.
pub(super) fn subtract(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = false;
    digits(a, b, |a, b| {
        let (rest, first) = a.overflowing_sub(b);
        let (rest, second) = rest.overflowing_sub(u8::from(borrow));
        borrow = first || second;
        rest
    })
}

/// Returns the bytes in reverse order.
pub(super) fn reversed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().rev().copied().collect()
}

fn digits(a: &[u8], b: &[u8], mut step: impl FnMut(u8, u8) -> u8) -> Vec<u8> {
    let b = b.iter().rev().copied().chain(std::iter::repeat(0));
    let result: Vec<u8> = a.iter().rev().zip(b).map(|(a, b)| step(*a, b)).collect();
    reversed(&result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_carry_and_what_does_not_fit_is_cut_off() {
        assert_eq!(add(&[0, 1, 255], &[1]), [0, 2, 0]);
        assert_eq!(add(&[255, 255], &[0, 1]), [0, 0]);
        assert_eq!(subtract(&[1, 0, 0], &[1]), [0, 255, 255]);
        assert_eq!(subtract(&add(&P256_N, &[1]), &P256_N)[31], 1);
    }
}
