//! Which passwords are accepted (NIST SP 800-63B-4 section 3.1.1.2): length and a blocklist, no composition rules.

use std::sync::LazyLock;

use fst::Set;

use crate::domain::authn::passwords::nfc::nfc;
use crate::domain::authn::passwords::scheme::{BCRYPT_MAX_BYTES, Scheme};
use crate::domain::invalid::Invalid;

/// The most common passwords of five characters or more, folded: the first 100,000 of `SecLists`' ten million, and those that
/// ship with Django and zxcvbn. What the other rules find is left out. `common.txt` is the list, this is what `build.rs` made
/// of it.
#[expect(clippy::expect_used, reason = "build.rs has written the set whole")]
static COMMON: LazyLock<Set<&[u8]>> = LazyLock::new(|| {
    let set = Set::new(include_bytes!(concat!(env!("OUT_DIR"), "/common.fst")).as_slice());
    set.expect("build.rs has written it whole")
});

/// What a password must have beside names that attackers know: NIST's least length of any password.
const MIN_CHARS_BESIDE_NAMES: usize = 8;
/// A shorter part of a password is there by chance.
const MIN_NAME_CHARS: usize = 3;

/// What a new password must be. Passwords are taken as they are sent, in Unicode's form NFC: never cut, trimmed or folded.
#[derive(Debug, Clone)]
pub struct PasswordPolicy {
    /// Unicode characters.
    pub min_length: usize,
    /// Unicode characters.
    pub max_length: usize,
    /// bcrypt cannot tell passwords apart behind their 71st byte, or behind a NUL.
    pub bcrypt: bool,
    /// What users call the service; folded.
    pub service_names: Vec<String>,
}

impl PasswordPolicy {
    /// The policy for passwords that `scheme` hashes. With a pepper, it is given something short in their place.
    #[must_use]
    pub fn new(min_length: usize, max_length: usize, scheme: &Scheme, pepper: bool) -> Self {
        let bcrypt = matches!(scheme, Scheme::Bcrypt { .. }) && !pepper;
        Self { min_length, max_length, bcrypt, service_names: Vec::new() }
    }

    /// The same policy for a service that is called by these names.
    #[must_use]
    pub fn of_service(self, names: impl IntoIterator<Item = String>) -> Self {
        Self { service_names: names.into_iter().map(|name| name.to_lowercase()).collect(), ..self }
    }

    /// The most bytes of UTF-8 that a password may have, where that is less than its characters allow.
    #[must_use]
    pub fn max_bytes(&self) -> Option<usize> {
        self.bcrypt.then_some(BCRYPT_MAX_BYTES)
    }

    /// The rules in words, for forms.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = vec![
            format!("A password has {} to {} characters, of any kind.", self.min_length, self.max_length),
            "It must not be one of the most common passwords, a repetition, or a run along the keyboard."
                .to_owned(),
            "It must be more than your own name or address, and more than the name of this service."
                .to_owned(),
        ];
        if let Some(bytes) = self.max_bytes() {
            sentences.push(format!(
                "It has at most {bytes} bytes in UTF-8, where other letters than a to z take two or more, and no NUL character."
            ));
        }
        sentences
    }

    /// Whether anybody can have this password: if not, it need not be hashed to know that it is wrong.
    #[must_use]
    pub fn is_possible(&self, password: &str) -> bool {
        // A character that is written as one here was sent as three or four at the most.
        let fits = |text: &str| text.chars().count() <= self.max_length;
        password.len() <= self.max_length * 16
            && nfc(password).map_or_else(|| fits(password), |normal| fits(&normal))
    }

    /// Whether a password is little more than the user's own name or address, or a part of that.
    #[expect(clippy::unused_self, reason = "a rule of the policy")]
    pub(in crate::domain) fn names(&self, password: &str, username: &str, email: Option<&str>) -> bool {
        is_little_more_than(password, own_names(username, email).collect())
    }

    /// Says why a new password is not accepted.
    pub(in crate::domain) fn check(
        &self,
        password: &str,
        username: &str,
        email: Option<&str>,
    ) -> Result<(), Invalid> {
        let normal = nfc(password);
        let password = normal.as_ref().map_or(password, |normal| normal.as_str());
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
        if self.names(password, username, email) {
            let message =
                "A password must be more than the user's own name or address: attackers know those.";
            return refuse("contains_name", message.to_owned());
        }
        let service = self.service_names.iter().map(String::as_str);
        if is_little_more_than(password, own_names(username, email).chain(service).collect()) {
            let message = "A password must be more than the name of this service: attackers know it.";
            return refuse("contains_service", message.to_owned());
        }
        if is_common(&password.to_lowercase()) {
            return refuse(
                "common",
                "This password is one of the most common ones; attackers try it first.".to_owned(),
            );
        }
        Ok(())
    }
}

/// The name, the address, the part before its `@`, and the first one behind it.
fn own_names<'a>(username: &'a str, email: Option<&'a str>) -> impl Iterator<Item = &'a str> {
    let (mailbox, domain) = email.and_then(|email| email.split_once('@')).unzip();
    let provider = domain.and_then(|domain: &str| domain.split('.').next());
    [Some(username), email, mailbox, provider].into_iter().flatten()
}

/// Whether too little is left of a password when these names are taken out of it.
fn is_little_more_than(password: &str, mut names: Vec<&str>) -> bool {
    let folded = password.to_lowercase();
    // The longest first: an address holds the name of its mailbox.
    names.sort_unstable_by_key(|name| std::cmp::Reverse(name.len()));
    let known = names.iter().filter(|name| name.chars().count() >= MIN_NAME_CHARS);
    let rest = known.fold(folded.clone(), |rest, name| rest.replace(&name.to_lowercase(), ""));
    rest.len() < folded.len() && rest.chars().count() < MIN_CHARS_BESIDE_NAMES
}

/// As the shortest in the list: what stands behind a shorter pattern is a password of its own.
const MIN_STEM_BYTES: usize = 5;

/// A longer repetition is not among what attackers try first: they would have to guess how long it is.
const MAX_REPEATED_BYTES: usize = 24;

/// What attackers try first: a listed password, with digits or signs behind it as well; a part that is repeated; a run
/// along the alphabet or the keyboard.
fn is_common(folded: &str) -> bool {
    let listed = |text: &str| COMMON.contains(text);
    let stem = folded.trim_end_matches(|char: char| !char.is_alphabetic());
    let is_pattern = |text: &str| is_repeated(text) || is_run(text);
    listed(folded) || listed(stem) || is_pattern(folded) || stem.len() >= MIN_STEM_BYTES && is_pattern(stem)
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
    fn every_listed_password_is_found_and_no_other() {
        let lines: Vec<&str> = include_str!("common.txt").lines().collect();
        assert!(lines.len() > 80_000 && lines.is_sorted(), "{}", lines.len());
        for line in &lines {
            assert!(is_common(line), "{line}");
        }
        let found = (0..200_000).filter(|number| is_common(&format!("zq{number}xw"))).count();
        assert_eq!(found, 0);
    }

    #[test]
    fn a_password_that_is_little_more_than_names_is_refused_and_a_sentence_with_one_is_not() {
        let policy = PasswordPolicy::new(8, 64, &Scheme::Bcrypt { cost: 4 }, false)
            .of_service(["Bookshop".to_owned(), "id".to_owned()]);
        let code = |password: &str| {
            let checked = policy.check(password, "alice", Some("alice.archer@example.com"));
            checked.err().map(|invalid| invalid.code)
        };
        for password in
            ["Alice-2026-alice", "alice.archer2026", "xalice.archer@example.com", "example-alice1"]
        {
            assert_eq!(code(password), Some("contains_name"), "{password}");
        }
        for password in ["bookshop2026", "Alice@Bookshop", "BOOKSHOPbookshop!"] {
            assert_eq!(code(password), Some("contains_service"), "{password}");
        }
        for password in ["malice in wonderland", "my bookshop is on fire", "did it rain? idid"] {
            assert_eq!(code(password), None, "{password}");
        }
    }

    #[test]
    fn lengths_are_those_of_the_normal_form() {
        let policy = PasswordPolicy::new(8, 64, &Scheme::argon2id(64, 1, 1).unwrap(), false);
        let decomposed = |count| "e\u{301}x".repeat(count);
        assert_eq!(policy.check(&decomposed(3), "alice", None).unwrap_err().code, "too_short");
        assert!(policy.is_possible(&"e\u{301}".repeat(64)) && !policy.is_possible(&"e\u{301}".repeat(65)));
        assert!(policy.max_bytes().is_none() && policy.sentences().len() == 3);
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
            "asdasd123456",
            "letmein12345",
            "welcome12345!",
            "098765432109",
            "1qaz2wsx3edc",
            "abcabcabcabc",
        ];
        for password in common {
            assert!(is_common(password), "{password}");
        }
        for password in [
            "correct horse battery",
            "tr0ub4dor&3 stays",
            "zufällig gewählt",
            "aaaaaaaaaaab",
            "x7#kQ9!mZ2$v",
            "aa7391845026",
        ] {
            assert!(!is_common(password), "{password}");
        }
    }
}
