//! Settings that are one of a few words.

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer};
use shared_claims::verifier::Algorithm;

/// A type with a few values, each with its word in the settings.
pub(super) trait Choice: Copy + 'static {
    const WORDS: &'static [(&'static str, Self)];
}

impl Choice for Algorithm {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("ES256", Self::ES256),
        ("EdDSA", Self::EdDSA),
        ("Ed25519", Self::EdDSA), // its name in RFC 9864
        ("RS256", Self::RS256),
        ("HS256", Self::HS256),
    ];
}

/// Reads a word.
///
/// # Errors
/// Any other word. The error lists all that are allowed.
pub(super) fn choice<'de, D: Deserializer<'de>, T: Choice>(deserializer: D) -> Result<T, D::Error> {
    let given = String::deserialize(deserializer)?;
    let found = T::WORDS.iter().find(|(word, _)| *word == given);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = T::WORDS.iter().map(|(word, _)| *word).collect();
        D::Error::custom(format!("{given:?} is not one of {}", words.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use service_kit::settings::Variables;

    use crate::settings::service::Settings;

    #[test]
    fn an_unknown_word_is_an_error_that_lists_all_that_are_allowed() {
        for (name, words) in [
            ("AUTH__TOKENS__ALGORITHM", "ES256, EdDSA, Ed25519, RS256, HS256"),
            ("AUTH__PASSWORDS__ALGORITHM", "bcrypt, argon2id"),
            ("AUTH__AUDIT__REFRESHES", "all, first_of_day, none"),
            ("AUTH__LIMITS__FORWARDED_HEADER", "x-forwarded-for, forwarded"),
        ] {
            let variables = Variables::from([(name.to_owned(), "md5".to_owned())]);
            let error = Settings::load(&variables).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(words), "{error}");
        }
    }
}
