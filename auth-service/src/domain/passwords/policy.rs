//! Which passwords are accepted (NIST SP 800-63B-4 section 3.1.1.2): length and a blocklist, no composition rules.

use std::sync::LazyLock;

use super::hashing::{BCRYPT_MAX_BYTES, Scheme};
use crate::domain::Invalid;

/// Passwords of five characters or more from published lists of the most common ones (those that ship with Django and
/// zxcvbn), folded, sorted by their bytes.
const COMMON: &str = include_str!("common.txt");

/// What a new password must be. Passwords are taken exactly as they are sent: never cut, trimmed or folded.
#[derive(Debug, Clone)]
pub struct PasswordPolicy {
    /// Unicode characters.
    pub min_length: usize,
    /// Unicode characters.
    pub max_length: usize,
    /// bcrypt cannot tell passwords apart behind their 71st byte, or behind a NUL.
    pub bcrypt: bool,
}

impl PasswordPolicy {
    /// The policy for passwords that `scheme` hashes. With a pepper, it is given something short in their place.
    #[must_use]
    pub fn new(min_length: usize, max_length: usize, scheme: &Scheme, pepper: bool) -> Self {
        Self { min_length, max_length, bcrypt: matches!(scheme, Scheme::Bcrypt { .. }) && !pepper }
    }

    /// Whether anybody can have this password: if not, it need not be hashed to know that it is wrong.
    #[must_use]
    pub fn is_possible(&self, password: &str) -> bool {
        password.len() <= self.max_length * 4 && password.chars().count() <= self.max_length
    }

    /// Whether a password is the user's own name or address, or the part before its `@`.
    #[expect(clippy::unused_self, reason = "a rule of the policy")]
    pub(in crate::domain) fn names(&self, password: &str, username: &str, email: Option<&str>) -> bool {
        let folded = password.to_lowercase();
        let mailbox = email.and_then(|email| email.split_once('@')).map(|(mailbox, _)| mailbox);
        [Some(username), email, mailbox].into_iter().flatten().any(|name| folded == name.to_lowercase())
    }

    /// Says why a new password is not accepted.
    pub(in crate::domain) fn check(
        &self,
        password: &str,
        username: &str,
        email: Option<&str>,
    ) -> Result<(), Invalid> {
        let refuse = |code, message: String| Err(Invalid { field: "password", code, message });
        let length = password.chars().count();
        if length < self.min_length {
            return refuse("too_short", format!("A password has at least {} characters.", self.min_length));
        }
        if length > self.max_length {
            return refuse("too_long", format!("A password has at most {} characters.", self.max_length));
        }
        if self.bcrypt && password.len() > BCRYPT_MAX_BYTES {
            return refuse("too_long", format!("A password has at most {BCRYPT_MAX_BYTES} bytes in UTF-8."));
        }
        if self.bcrypt && password.contains('\0') {
            return refuse("not_allowed", "A password cannot hold the NUL character.".to_owned());
        }
        let folded = password.to_lowercase();
        if self.names(password, username, email) {
            return refuse("contains_name", "A password is not the user's own name or address.".to_owned());
        }
        if is_common(&folded) {
            return refuse(
                "common",
                "This password is one of the most common ones; attackers try it first.".to_owned(),
            );
        }
        Ok(())
    }
}

/// A longer repetition is not among what attackers try first: they would have to guess how long it is.
const MAX_REPEATED_BYTES: usize = 24;

/// What attackers try first: a listed password, with digits or signs behind it as well; a part that is repeated; a run
/// along the alphabet or the keyboard.
fn is_common(folded: &str) -> bool {
    static LISTED: LazyLock<Vec<&str>> = LazyLock::new(|| COMMON.lines().collect());
    let listed = |text: &str| LISTED.binary_search(&text).is_ok();
    let stem = folded.trim_end_matches(|char: char| !char.is_alphabetic());
    listed(folded) || listed(stem) || is_repeated(folded) || is_run(folded)
}

fn is_repeated(text: &str) -> bool {
    if text.len() > MAX_REPEATED_BYTES {
        return false;
    }
    let parts = (1..=text.len() / 2)
        .filter(|length| text.len().is_multiple_of(*length))
        .filter_map(|length| text.get(..length));
    parts.into_iter().any(|part| part.repeat(text.len() / part.len()) == text)
}

fn is_run(text: &str) -> bool {
    let runs = [
        "abcdefghijklmnopqrstuvwxyz",
        "1234567890",
        "qwertyuiopasdfghjklzxcvbnm",
        "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    ];
    let backwards: String = text.chars().rev().collect();
    runs.iter()
        .map(|run| run.repeat(2 + text.len() / run.len()))
        .any(|run| run.contains(text) || run.contains(&backwards))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_password_is_found() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() > 3000 && lines.is_sorted(), "{}", lines.len());
        for line in &lines {
            assert!(is_common(line), "{line}");
        }
    }

    #[test]
    fn what_attackers_try_first_is_common_and_a_passphrase_is_not() {
        let common = [
            "123456789012",
            "qwertyuiopasdf",
            "passwordpassword",
            "aaaaaaaaaaaa",
            "            ",
            "abcdefghijkl",
            "lkjhgfdsapoiuytrewq",
            "iloveyou1234",
            "letmein12345",
            "welcome12345!",
            "098765432109",
            "1qaz2wsx3edc",
            "abcabcabcabc",
        ];
        for password in common {
            assert!(is_common(password), "{password}");
        }
        for password in
            ["correct horse battery", "tr0ub4dor&3 stays", "zufällig gewählt", "aaaaaaaaaaab", "x7#kQ9!mZ2$v"]
        {
            assert!(!is_common(password), "{password}");
        }
    }
}
