//! A Token Status List as bits (draft-ietf-oauth-status-list section 4): what `status_list` says about each place in
//! it. Pure; who signed it, and how old it is, is not looked at here.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::inflate::{self, InflateError};

/// The entries of a list, `1`, `2`, `4` or `8` bits each, the first in the least significant bits of the first byte.
pub(crate) struct StatusList {
    bits: u8,
    bytes: Box<[u8]>,
}

/// The claim `status_list` as it is written; `aggregation_uri` is left unread.
#[derive(Deserialize)]
pub(crate) struct Written<'a> {
    bits: u8,
    #[serde(borrow)]
    lst: Cow<'a, str>,
}

impl StatusList {
    /// Reads a list that inflates to at most `most` bytes. The error says what is wrong with it.
    pub(crate) fn read(written: &Written<'_>, most: usize) -> Result<Self, &'static str> {
        if !matches!(written.bits, 1 | 2 | 4 | 8) {
            return Err("the status list's bits");
        }
        let compressed =
            URL_SAFE_NO_PAD.decode(&*written.lst).map_err(|_| "the status list is no base64url")?;
        match inflate::zlib(&compressed, most) {
            Ok(bytes) if bytes.is_empty() => Err("the status list is empty"),
            Ok(bytes) => Ok(Self { bits: written.bits, bytes: bytes.into_boxed_slice() }),
            Err(InflateError::Broken) => Err("the status list is not in zlib form"),
            Err(InflateError::TooLarge) => Err("the status list is too large"),
        }
    }

    /// The status at place `idx`: 0 is valid, anything else is not. `None`: there is no such place.
    pub(crate) fn get(&self, idx: u64) -> Option<u8> {
        let (bits, per_byte) = (u64::from(self.bits), u64::from(8 / self.bits));
        let byte = *self.bytes.get(usize::try_from(idx / per_byte).ok()?)?;
        let above = u32::try_from(idx % per_byte * bits).ok()?;
        let mask = u8::MAX >> (8 - self.bits);
        Some(byte.checked_shr(above)? & mask)
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
    const MOST: usize = 1024 * 1024;

    fn list(bits: u8, lst: &str) -> Result<StatusList, &'static str> {
        StatusList::read(&Written { bits, lst: lst.into() }, MOST)
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
        assert!(list(1, &lst(&vec![0; MOST])).is_ok());
        assert_eq!(list(1, &lst(&vec![0; MOST + 1])).err(), Some("the status list is too large"));
    }
}
