//! The table of the kinds of attack in the corpus.

use std::fmt;

/// A kind of attack, and the rule against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attack {
    /// The number, which never changes.
    pub number: u8,
    /// What the attacker tries.
    pub title: &'static str,
    /// The source of the rule.
    pub source: &'static str,
    pub(super) expect: Expect,
}

/// The expected answer to a forgery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// `401`: the token is not valid, or there is none.
    Refused,
    /// `401`, or the answer to a malformed or too large request: `400`, `413`, `431`.
    MalformedRequest,
}

impl Expect {
    /// Returns whether `status` is a correct answer. `403` is not: it means that the token was accepted.
    #[must_use]
    pub fn allows(self, status: u16) -> bool {
        match self {
            Self::Refused => status == 401,
            Self::MalformedRequest => matches!(status, 400 | 401 | 413 | 431),
        }
    }
}

const fn attack(number: u8, title: &'static str, source: &'static str, expect: Expect) -> Attack {
    Attack { number, title, source, expect }
}

const ATTACKS: [Attack; 26] = [
    attack(1, "text that is not a compact token", "RFC 7515 section 7.1", Expect::MalformedRequest),
    attack(2, "non-canonical base64url", "RFC 7515 section 2, RFC 4648 section 3.5", Expect::Refused),
    attack(3, "a token as JSON", "RFC 7515 section 7.2, RFC 8725bis", Expect::MalformedRequest),
    attack(4, "no algorithm", "RFC 8725 section 3.2", Expect::Refused),
    attack(5, "an algorithm that is not the key's", "RFC 8725 section 3.1", Expect::Refused),
    attack(6, "the public key as a secret", "RFC 8725 section 2.1", Expect::Refused),
    attack(7, "a key id that is a path, a query or a URL", "RFC 8725 section 3.10", Expect::Refused),
    attack(8, "a key inside the token", "RFC 8725 section 3.10, RFC 7515 section 4.1.3", Expect::Refused),
    attack(
        9,
        "a signature with special numbers",
        "RFC 8725 section 3.4, FIPS 186-5, RFC 8032",
        Expect::Refused,
    ),
    attack(11, "a token that was changed", "RFC 7515 section 5.2", Expect::Refused),
    attack(12, "a token that is too large or too deep", "RFC 8725 section 3", Expect::MalformedRequest),
    attack(13, "a token of another kind", "RFC 8725 section 3.11, RFC 9068 section 4", Expect::Refused),
    attack(14, "a nested token", "RFC 7519 section 5.2, RFC 8725 section 2.6", Expect::Refused),
    attack(
        15,
        "JSON that parsers disagree about",
        "RFC 7515 section 4, RFC 7519 section 4, RFC 8259",
        Expect::Refused,
    ),
    attack(
        16,
        "an expiry that is invalid or in the past",
        "RFC 7519 section 4.1.4, RFC 9068 section 4",
        Expect::Refused,
    ),
    attack(17, "a token that is not valid yet", "RFC 7519 sections 4.1.5 and 4.1.6", Expect::Refused),
    attack(18, "a token for another audience", "RFC 7519 section 4.1.3, RFC 9068 section 4", Expect::Refused),
    attack(19, "a token of another issuer", "RFC 8725 section 3.8, RFC 9068 section 4", Expect::Refused),
    attack(20, "a token without its type", "RFC 9068 section 4, RFC 8725 section 3.11", Expect::Refused),
    attack(21, "an unsupported critical extension", "RFC 7515 section 4.1.11, RFC 7797", Expect::Refused),
    attack(22, "a claim that is missing or has the wrong type", "RFC 9068 section 2.2", Expect::Refused),
    attack(23, "a token bound to its sender's key", "RFC 7800, RFC 9449 section 7.1", Expect::Refused),
    attack(
        24,
        "a status that does not name an entry of the issuer",
        "draft-ietf-oauth-status-list section 8.3",
        Expect::Refused,
    ),
    attack(25, "a key that is not for tokens", "RFC 7517 section 4, RFC 8725 section 3.4", Expect::Refused),
    attack(29, "a scheme that is not Bearer", "RFC 6750 section 2.1, RFC 9110 section 11.4", Expect::Refused),
    attack(
        30,
        "a valid token in the wrong place, or two",
        "RFC 6750 section 2, RFC 9110 section 11.6",
        Expect::MalformedRequest,
    ),
];

impl Attack {
    /// Returns all kinds, by number.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &ATTACKS
    }

    pub(super) fn of(number: u8) -> &'static Self {
        ATTACKS.iter().find(|attack| attack.number == number).expect("a number of the table")
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attack {}, {}: {}", self.number, self.title, self.source)
    }
}
