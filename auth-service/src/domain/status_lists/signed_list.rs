//! A Token Status List (draft-ietf-oauth-status-list): one bit for each index, compressed and signed.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde::Serialize;

use crate::domain::status_lists::status_index::LIST_SIZE;

/// A signed list.
#[derive(Debug)]
pub struct SignedList {
    /// The JWT.
    pub token: Vec<u8>,
    /// The same in gzip (RFC 1952): base64 within base64 shrinks by almost a half.
    pub gzip: Vec<u8>,
    /// A weak validator (RFC 9110 section 8.8.1): replicas sign the same list in different bytes.
    pub etag: String,
    /// Its revision.
    pub(super) revision: i64,
    /// The key that signed it.
    pub(super) kid: String,
    /// Its `iat`, in unix seconds.
    pub(super) iat: i64,
}

/// The claims of a list (section 5.1), and a revision of our own by which verifiers tell a newer list from an older one.
#[derive(Debug, Serialize)]
pub(super) struct ListClaims<'a> {
    pub(super) iss: &'a str,
    pub(super) sub: &'a str,
    pub(super) iat: i64,
    pub(super) exp: i64,
    pub(super) ttl: i64,
    pub(super) revision: i64,
    pub(super) status_list: StatusList<'a>,
}

/// The claim `status_list` (section 4.2).
#[derive(Debug, Serialize)]
pub(super) struct StatusList<'a> {
    pub(super) bits: u8,
    pub(super) lst: String,
    pub(super) aggregation_uri: &'a str,
}

/// Encodes the `lst` of a list in which these indexes are set, each below [`LIST_SIZE`] (section 4.1): one bit each, the least
/// significant first, compressed with zlib, in base64url.
pub(super) fn encode(indexes: impl Iterator<Item = i64>) -> String {
    let mut bytes = vec![0_u8; usize::try_from(LIST_SIZE / 8).unwrap_or(0)];
    for index in indexes {
        let byte = usize::try_from(index.div_euclid(8)).ok().and_then(|byte| bytes.get_mut(byte));
        if let Some(byte) = byte {
            *byte |= 1 << index.rem_euclid(8);
        }
    }
    URL_SAFE_NO_PAD.encode(zlib(&bytes))
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let _ = encoder.write_all(bytes); // writing to memory does not fail
    encoder.finish().unwrap_or_default()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn inflated(lst: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let compressed = URL_SAFE_NO_PAD.decode(lst).unwrap();
        flate2::read::ZlibDecoder::new(compressed.as_slice()).read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// The statuses 1,0,0,1,1,1,0,1,1,1,0,0,0,1,0,1 of the draft, section 4.1.
    #[test]
    fn the_drafts_first_example_is_encoded_as_in_the_draft() {
        let indexes = [0, 3, 4, 5, 7, 8, 9, 13, 15];
        let bytes = inflated(&encode(indexes.into_iter()));
        assert_eq!(bytes.len(), 131_072 / 8);
        assert_eq!(bytes[..2], [0xb9, 0xa3]);
        assert!(bytes[2..].iter().all(|byte| *byte == 0));
        // The draft's own compressed form opens to the same.
        assert_eq!(inflated("eNrbuRgAAhcBXQ"), [0xb9, 0xa3]);
    }

    #[test]
    fn an_index_outside_of_the_list_sets_nothing() {
        assert!(inflated(&encode([LIST_SIZE, -1, i64::MAX].into_iter())).iter().all(|byte| *byte == 0));
    }
}
