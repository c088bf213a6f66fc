//! Numbers and bytes in stored hashes. Reading is strict: anything ambiguous is refused.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

const UNPADDED: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_encode_padding(false)
    .with_decode_padding_mode(DecodePaddingMode::RequireNone);

/// The last character of a salt or a digest has bits to spare, and some programs left something in them.
const BCRYPT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::BCRYPT, UNPADDED.with_decode_allow_trailing_bits(true));

/// Decimal digits, without a sign and without zeros before them.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// `name=123`.
pub(super) fn parameter<T: std::str::FromStr>(text: &str, name: &str) -> Option<T> {
    number(text.strip_prefix(name)?.strip_prefix('=')?)
}

/// Base64 with its padding, as Django has it.
pub(super) fn padded(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Base64 without padding, as PHC strings have it.
pub(super) fn phc(text: &str) -> Option<Vec<u8>> {
    GeneralPurpose::new(&alphabet::STANDARD, UNPADDED).decode(text).ok()
}

/// passlib's own base64: `.` for `+`.
pub(super) fn adapted(text: &str) -> Option<Vec<u8>> {
    GeneralPurpose::new(&alphabet::STANDARD, UNPADDED).decode(text.replace('.', "+")).ok()
}

/// Base64 as PHC strings have it.
pub(in crate::domain::authn::passwords) fn unpadded(bytes: &[u8]) -> String {
    GeneralPurpose::new(&alphabet::STANDARD, UNPADDED).encode(bytes)
}

/// bcrypt's own base64.
pub(super) fn bcrypt<const N: usize>(text: &str) -> Option<[u8; N]> {
    BCRYPT.decode(text).ok()?.try_into().ok()
}

/// Decodes hexadecimal digits of either case.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
}

/// Encodes as hexadecimal digits, in lower case.
pub(in crate::domain::authn::passwords) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}
