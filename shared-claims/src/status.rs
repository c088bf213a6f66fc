//! The bits of a Token Status List (draft-ietf-oauth-status-list section 4): the status at each index. The signature and the
//! age of a list are checked elsewhere.

use std::{borrow::Cow, io::Write as _};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{Compression, write::ZlibEncoder};
use serde::Deserialize;

use crate::inflate::{self, InflateError};

/// The entries of a list, `1`, `2`, `4` or `8` bits each, the first in the least significant bits of the first byte.
pub(crate) struct StatusList {
    bits: u8,
    bytes: Box<[u8]>,
}

/// The claim `status_list` in its JSON form; `aggregation_uri` is ignored.
#[derive(Deserialize)]
pub(crate) struct EncodedList<'a> {
    bits: u8,
    #[serde(borrow)]
    lst: Cow<'a, str>,
}

impl StatusList {
    /// Reads a list that inflates to at most `max_bytes`. The error is the reason why it is unusable.
    pub(crate) fn read(encoded: &EncodedList<'_>, max_bytes: usize) -> Result<Self, &'static str> {
        if !matches!(encoded.bits, 1 | 2 | 4 | 8) {
            return Err("the status list's bits");
        }
        let compressed =
            URL_SAFE_NO_PAD.decode(&*encoded.lst).map_err(|_| "the status list is no base64url")?;
        match inflate::zlib(&compressed, max_bytes) {
            Ok(bytes) if bytes.is_empty() => Err("the status list is empty"),
            Ok(bytes) => Ok(Self { bits: encoded.bits, bytes: bytes.into_boxed_slice() }),
            Err(InflateError::Broken) => Err("the status list is not in zlib form"),
            Err(InflateError::TooLarge) => Err("the status list is too large"),
        }
    }

    /// Returns the status at the index `idx`: 0 is valid, anything else is not. `None` if the list is shorter.
    pub(crate) fn get(&self, idx: u64) -> Option<u8> {
        let (bits, per_byte) = (u64::from(self.bits), u64::from(8 / self.bits));
        let byte = *self.bytes.get(usize::try_from(idx / per_byte).ok()?)?;
        let above = u32::try_from(idx % per_byte * bits).ok()?;
        let mask = u8::MAX >> (8 - self.bits);
        Some(byte.checked_shr(above)? & mask)
    }

    /// Returns a list in which every bit is set that is set in one of the two: it refuses what either of them refuses.
    pub(crate) fn union(&self, other: &Self) -> Self {
        if self.bits != other.bits {
            let bits = self.bits.max(other.bits);
            return self.widened(bits).union(&other.widened(bits));
        }
        let (longer, shorter) =
            if self.bytes.len() < other.bytes.len() { (other, self) } else { (self, other) };
        let mut bytes = longer.bytes.clone();
        bytes.iter_mut().zip(&shorter.bytes).for_each(|(byte, more)| *byte |= more);
        Self { bits: self.bits, bytes }
    }

    /// Returns whether every bit that is set in `other` is set here as well.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        if self.bits != other.bits {
            let bits = self.bits.max(other.bits);
            return self.widened(bits).covers(&other.widened(bits));
        }
        let (common, beyond) = other.bytes.split_at(self.bytes.len().min(other.bytes.len()));
        common.iter().zip(&self.bytes).all(|(theirs, ours)| theirs & !ours == 0)
            && beyond.iter().all(|byte| *byte == 0)
    }

    /// Returns the same entries with more bits each.
    fn widened(&self, bits: u8) -> Self {
        let per_byte = u64::from(8 / bits);
        let entries = self.bytes.len() as u64 * u64::from(8 / self.bits);
        let byte = |first: u64| {
            (0..per_byte)
                .fold(0, |byte, at| byte | (self.get(first + at).unwrap_or(0) << (at * u64::from(bits))))
        };
        Self { bits, bytes: (0..entries.div_ceil(per_byte)).map(|at| byte(at * per_byte)).collect() }
    }

    /// Encodes the list as the `bits` and the `lst` of a claim `status_list`.
    pub(crate) fn encode(&self) -> (u8, String) {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        // Writing to memory cannot fail.
        let compressed = encoder.write_all(&self.bytes).and_then(|()| encoder.finish()).unwrap_or_default();
        (self.bits, URL_SAFE_NO_PAD.encode(compressed))
    }
}

impl<'a> EncodedList<'a> {
    pub(crate) fn new(bits: u8, lst: &'a str) -> Self {
        Self { bits, lst: Cow::Borrowed(lst) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    /// The draft's example of `2^20` entries with one bit each.
    const LONG_1: &str = "eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogEAAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAXG9IAAAAAAAAAPwsJAAAAAAAAAAAAAAAvhsSAAAAAAAAAAAA7KpLAAAA\
        AAAAAAAAAAAAAAAAAJsLCQAAAAAAAAAAADjelAAAAAAAAAAAKjDMAQAAAACAZC8L2AEb";
    const LONG_1_SET: [u64; 11] =
        [0, 1993, 25460, 159_495, 495_669, 554_353, 645_645, 723_232, 854_545, 934_534, 1_000_345];
    /// The same with two bits each.
    const LONG_2: &str = "eNrt2zENACEQAEEuoaBABP5VIO01fCjIHTMStt9ovGVIAAAAAABAbiEBAAAAAAAAAAAAAAAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAEB5WwIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAID0ugQAAAAAAAAAAAAAAAAAQG12SgAAAAAAAAAAAAAAAAAAAAAAAAAAAOCSIQEAAAAAAAAAAAAAAAAA\
        AAAAAAD8ExIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAwJEuAQAAAAAAAAAAAAAAAAAAAAAAAMB9SwIAAAAAAAAAAAAAAAAA\
        AACoYUoAAAAAAAAAAAAAAEBqH81gAQw";
    const LONG_2_VALUES: [u8; 11] = [1, 2, 1, 3, 1, 1, 2, 1, 1, 2, 3];
    const MAX: usize = 1024 * 1024;

    fn list(bits: u8, lst: &str) -> Result<StatusList, &'static str> {
        StatusList::read(&EncodedList { bits, lst: lst.into() }, MAX)
    }

    fn lst(bytes: &[u8]) -> String {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        URL_SAFE_NO_PAD.encode(encoder.finish().unwrap())
    }

    fn all(list: &StatusList) -> Vec<u8> {
        (0..).map_while(|idx| list.get(idx)).collect()
    }

    #[test]
    fn the_drafts_small_examples_are_read() {
        let one = list(1, "eNrbuRgAAhcBXQ").unwrap();
        assert_eq!(all(&one), [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]);
        let two = list(2, "eNo76fITAAPfAgc").unwrap();
        assert_eq!(all(&two), [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]);
    }

    #[test]
    fn the_drafts_examples_of_a_million_entries_are_read() {
        let statuses = all(&list(1, LONG_1).unwrap());
        assert_eq!(statuses.len(), 1 << 20);
        let set: Vec<_> =
            (0..).zip(&statuses).filter(|(_, status)| **status != 0).map(|(idx, _)| idx).collect();
        assert_eq!(set, LONG_1_SET);

        let statuses = all(&list(2, LONG_2).unwrap());
        assert_eq!(statuses.len(), 1 << 20);
        let set: Vec<_> = (0..).zip(statuses).filter(|(_, status)| *status != 0).collect();
        assert_eq!(set, LONG_1_SET.into_iter().zip(LONG_2_VALUES).collect::<Vec<_>>());
    }

    #[test]
    fn entries_of_four_and_eight_bits_start_with_the_least_significant_ones() {
        assert_eq!(all(&list(4, &lst(&[0x21, 0xf3])).unwrap()), [1, 2, 3, 15]);
        assert_eq!(all(&list(8, &lst(&[0x21, 0, 0xff])).unwrap()), [0x21, 0, 0xff]);
    }

    #[test]
    fn there_is_nothing_beyond_the_last_entry() {
        for (bits, entries) in [(1, 16), (2, 8), (4, 4), (8, 2)] {
            let list = list(bits, &lst(&[0, 0])).unwrap();
            assert_eq!(list.get(entries - 1), Some(0));
            for idx in [entries, entries + 1, 1 << 32, 1 << 62, 1 << 63, u64::MAX] {
                assert_eq!(list.get(idx), None, "{bits} bits, {idx}");
            }
        }
    }

    #[test]
    fn the_union_of_two_lists_refuses_what_either_of_them_refuses() {
        let rows: [(u8, &[u8], u8, &[u8]); 6] = [
            (1, &[0b1001, 0], 1, &[0b0011, 0b1000_0000]),
            (1, &[0xf0], 1, &[0x0f, 0, 0, 1]),
            (2, &[0b0110_0001], 2, &[0b1100_0000, 2]),
            (1, &[0b1000_0001], 2, &[0b11, 0, 0, 0b0100_0000]),
            (8, &[7, 0, 1], 1, &[0b1010_0000, 0b1]),
            (4, &[0x21, 0xf3], 4, &[0]),
        ];
        for (bits, bytes, other_bits, others) in rows {
            let one = list(bits, &lst(bytes)).unwrap();
            let other = list(other_bits, &lst(others)).unwrap();
            for union in [one.union(&other), other.union(&one)] {
                let entries = all(&one).len().max(all(&other).len()) as u64;
                assert!(all(&union).len() as u64 >= entries, "{bytes:?} and {others:?}");
                for idx in 0..all(&union).len() as u64 {
                    let either = one.get(idx).unwrap_or(0) | other.get(idx).unwrap_or(0);
                    assert_eq!(union.get(idx), Some(either), "{bytes:?} and {others:?} at {idx}");
                }
                assert!(union.covers(&one) && union.covers(&other));
            }
            assert!(one.covers(&one) && (one.covers(&other) == (all(&one.union(&other)) == all(&one))));
        }
    }

    #[test]
    fn a_list_is_written_as_it_is_read() {
        for (bits, bytes) in [(1_u8, [0xb9, 0xa3].as_slice()), (2, &[0xc9, 0x44, 0xf9]), (8, &[0; 1000])] {
            let (is, written) = list(bits, &lst(bytes)).unwrap().encode();
            let again = list(is, &written).unwrap();
            assert_eq!((again.bits, &*again.bytes), (bits, bytes));
        }
    }

    #[test]
    fn what_is_no_list_is_unusable() {
        for bits in [0, 3, 5, 6, 7, 9, 16, 64, 128, 255] {
            assert!(list(bits, "eNrbuRgAAhcBXQ").is_err(), "{bits}");
        }
        for wrong in [
            "",
            "eNrbuRgAAhcBXQ==",
            "eNrbuRgAAhcBX",
            "eNrbuRgAAhcBXR",
            "ub-j",
            "+/8",
            "eNrbuRgAAhcBXQAA",
            "é",
        ] {
            assert!(list(1, wrong).is_err(), "{wrong}");
        }
        assert_eq!(list(1, &lst(&[])).err(), Some("the status list is empty"));
        assert!(list(1, &lst(&vec![0; MAX])).is_ok());
        assert_eq!(list(1, &lst(&vec![0; MAX + 1])).err(), Some("the status list is too large"));
    }
}
