//! Inflates untrusted compressed data, up to a size limit. Data that is truncated or followed by other bytes is an error.
//!
//! A megabyte of zeros is a kilobyte of DEFLATE, so the limit applies to the output while it is produced.

use std::io::Read;

use flate2::{Decompress, FlushDecompress, Status, bufread::MultiGzDecoder};

/// The initial capacity of the output, in bytes.
const INITIAL_CAPACITY: usize = 16 * 1024;

/// The reason for which data cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InflateError {
    /// Not the expected format, a wrong checksum, truncated, or followed by other bytes.
    #[error("not compressed as it should be")]
    Broken,
    /// The output exceeds the limit.
    #[error("inflates to too much")]
    TooLarge,
}

/// Inflates a ZLIB stream (RFC 1950) to at most `max` bytes.
pub(crate) fn zlib(compressed: &[u8], max: usize) -> Result<Vec<u8>, InflateError> {
    let mut stream = Decompress::new(true);
    let mut bytes = Vec::with_capacity(INITIAL_CAPACITY.min(max.saturating_add(1)));
    loop {
        let done = usize::try_from(stream.total_in()).ok().and_then(|done| compressed.get(done..));
        let (rest, before) = (done.unwrap_or_default(), (stream.total_in(), bytes.len()));
        let status = stream.decompress_vec(rest, &mut bytes, FlushDecompress::None);
        if bytes.len() > max {
            return Err(InflateError::TooLarge);
        }
        match status.map_err(|_| InflateError::Broken)? {
            Status::StreamEnd if stream.total_in() == compressed.len() as u64 => return Ok(bytes),
            Status::StreamEnd => return Err(InflateError::Broken),
            Status::Ok | Status::BufError if bytes.len() == bytes.capacity() => {
                bytes.reserve_exact(bytes.len().min((max - bytes.len()).saturating_add(1)));
            }
            _ if before == (stream.total_in(), bytes.len()) => return Err(InflateError::Broken), // cut off
            _ => {}
        }
    }
}

/// Inflates a gzip file (RFC 1952) to at most `max` bytes.
pub(crate) fn gzip(compressed: &[u8], max: usize) -> Result<Vec<u8>, InflateError> {
    let mut bytes = Vec::new();
    let mut stream = MultiGzDecoder::new(compressed).take((max as u64).saturating_add(1));
    stream.read_to_end(&mut bytes).map_err(|_| InflateError::Broken)?;
    if bytes.len() > max { Err(InflateError::TooLarge) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder, write::ZlibEncoder};

    use super::*;

    const MAX: usize = 100_000;

    fn zlibbed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Returns bytes that hardly compress.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn what_was_compressed_comes_out_again_up_to_the_bound() {
        for length in [0, 1, 16 * 1024, 16 * 1024 + 1, 50_000, MAX] {
            for bytes in [vec![0; length], noise(length)] {
                assert_eq!(zlib(&zlibbed(&bytes), MAX).as_ref(), Ok(&bytes), "{length}");
                assert_eq!(gzip(&gzipped(&bytes), MAX).as_ref(), Ok(&bytes), "{length}");
            }
        }
        for length in [MAX + 1, MAX + 2, 2 * MAX, 50_000_000] {
            assert_eq!(zlib(&zlibbed(&vec![0; length]), MAX), Err(InflateError::TooLarge), "{length}");
            assert_eq!(gzip(&gzipped(&vec![0; length]), MAX), Err(InflateError::TooLarge), "{length}");
        }
    }

    #[test]
    fn what_is_cut_off_changed_or_followed_by_something_is_refused() {
        let (good, good_gzip) = (zlibbed(&noise(300)), gzipped(&noise(300)));
        for end in 0..good.len() {
            assert_eq!(zlib(&good[..end], MAX), Err(InflateError::Broken), "{end}");
        }
        for end in 1..good_gzip.len() {
            assert_eq!(gzip(&good_gzip[..end], MAX), Err(InflateError::Broken), "{end}");
        }
        for place in 0..good.len() {
            let mut changed = good.clone();
            changed[place] ^= 0x40;
            let result = zlib(&changed, MAX); // some bits are only padding
            assert!(
                matches!(&result, Err(InflateError::Broken)) || *result.as_ref().unwrap() == noise(300),
                "{place}"
            );
        }
        assert_eq!(zlib(&[good.clone(), vec![0]].concat(), MAX), Err(InflateError::Broken));
        assert_eq!(zlib(&[good.clone(), good].concat(), MAX), Err(InflateError::Broken));
        for other in [b"".as_slice(), b"x", b"not compressed", &noise(5000), &gzipped(b"gzip"), &[0x78, 0xda]]
        {
            assert_eq!(zlib(other, MAX), Err(InflateError::Broken));
        }
    }
}
