//! Unicode normalisation: the same password from two keyboards is the same bytes (NIST SP 800-63B-4 section 3.1.1.2).

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};
use zeroize::Zeroizing;

/// Returns the password in NFC; `None` if it is in NFC already.
pub(super) fn nfc(password: &str) -> Option<Zeroizing<String>> {
    if is_nfc_quick(password.chars()) == IsNormalized::Yes {
        return None;
    }
    let mut normalized = Zeroizing::new(String::with_capacity(password.len() * 2));
    normalized.extend(password.nfc());
    (normalized.as_str() != password).then_some(normalized)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_in_nfc_is_changed() {
        for password in ["", "correct horse", "zuf\u{e4}llig", "日本語", "\u{1f468}\u{200d}\u{1f469}"] {
            assert!(nfc(password).is_none(), "{password}");
        }
        for (sent, normal) in
            [("zufa\u{308}llig", "zuf\u{e4}llig"), ("\u{212b}", "\u{e5}".to_uppercase().as_str())]
        {
            assert_eq!(nfc(sent).unwrap().as_str(), normal);
        }
    }
}
