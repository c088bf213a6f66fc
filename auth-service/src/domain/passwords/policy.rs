//! Which passwords are accepted (NIST SP 800-63B-4 section 3.1.1.2): length and a blocklist, no composition rules.

use std::sync::LazyLock;

use super::hashing::{BCRYPT_MAX_BYTES, Scheme};
use crate::domain::Invalid;

/// Passwords of eight characters or more from published lists of the most common ones, folded, sorted by their bytes.
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
    /// The policy for passwords that `scheme` hashes.
    #[must_use]
    pub fn new(min_length: usize, max_length: usize, scheme: &Scheme) -> Self {
        Self { min_length, max_length, bcrypt: matches!(scheme, Scheme::Bcrypt { .. }) }
    }

    /// Whether anybody can have this password: if not, it need not be hashed to know that it is wrong.
    #[must_use]
    pub fn is_possible(&self, password: &str) -> bool {
        password.len() <= self.max_length * 4 && password.chars().count() <= self.max_length
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
        let mailbox = email.and_then(|email| email.split_once('@')).map(|(mailbox, _)| mailbox);
        if [Some(username), email, mailbox].into_iter().flatten().any(|name| folded == name.to_lowercase()) {
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

fn is_common(folded: &str) -> bool {
    static LINES: LazyLock<Vec<&str>> = LazyLock::new(|| COMMON.lines().collect());
    LINES.binary_search(&folded).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_password_is_found_and_its_neighbours_are_not() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() > 3000 && lines.is_sorted(), "{}", lines.len());
        for line in &lines {
            assert!(is_common(line), "{line}");
            assert!(!is_common(&format!("{line}\u{10ffff}")), "{line}");
        }
        assert!(!is_common(""));
    }
}
