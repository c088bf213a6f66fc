//! A stored hash, by what it says of itself: this service's own, and those that other systems made.
//!
//! Reading is done here, strictly; computing is done by crates. What reads a hash judges its cost as well, so that no
//! hash beyond the bounds is ever computed.

mod argon2;
mod bcrypt;
mod bounds;
mod encoding;
mod pbkdf2;
mod scrypt;

pub(super) use argon2::fill as argon2_into;
pub use bounds::Bounds;
pub(super) use encoding::{hex, unpadded};

use crate::domain::authn::passwords::hashing::Scheme;

/// No hash of any system is longer.
const MAX_BYTES: usize = 1024;
/// A shorter salt is not one (NIST SP 800-63B-4 section 3.1.1.2: 32 bits).
const SALT_BYTES: std::ops::RangeInclusive<usize> = 4..=256;
/// Of a shorter digest, wrong passwords would be right too often; a longer one is made block by block at our cost.
const DIGEST_BYTES: std::ops::RangeInclusive<usize> = 16..=128;

/// Why a hash is of no use here. The texts never repeat any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Nothing that is known begins like this.
    #[error("This is not a hash of a kind that is known here.")]
    Unknown,
    /// It begins like one that is known.
    #[error("This hash is damaged: it is not written as its kind is.")]
    Damaged,
    /// More memory or work than the settings allow.
    #[error("This hash asks for more memory or work than `passwords.bounds` allows.")]
    TooCostly,
    /// `$2x$`: made by a bcrypt that was wrong for other characters than ASCII.
    #[error("This hash is marked as the work of a faulty bcrypt (`$2x$`).")]
    Faulty,
    /// Made with a pepper that this service was not given.
    #[error("This hash was made with a pepper that is not configured here.")]
    OtherPepper,
}

impl Unusable {
    /// Stable and machine-readable.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown_kind",
            Self::Damaged => "damaged",
            Self::TooCostly => "too_costly",
            Self::Faulty => "faulty",
            Self::OtherPepper => "other_pepper",
        }
    }
}

/// A hash that can be checked.
#[derive(Debug)]
pub(super) enum Stored {
    Bcrypt(bcrypt::Bcrypt),
    Argon2(argon2::Argon2Hash),
    Scrypt(scrypt::Scrypt),
    Pbkdf2(pbkdf2::Pbkdf2),
}

impl Stored {
    /// Reads a hash. The second column is who writes it like that.
    pub(super) fn read(text: &str, bounds: &Bounds) -> Result<Self, Unusable> {
        if text.len() > MAX_BYTES {
            return Err(Unusable::Damaged);
        }
        let after = |start: &str| text.strip_prefix(start);
        let found = if let Some(rest) = after("$argon2") {
            argon2::phc(rest).map(Self::Argon2) //            argon2-cffi, libargon2, passlib, PHP
        } else if let Some(rest) = after("argon2$argon2") {
            argon2::phc(rest).map(Self::Argon2) //            Django
        } else if let Some(rest) = after("$bcrypt-sha256$") {
            bcrypt::passlib(rest).map(Self::Bcrypt) //        passlib
        } else if let Some(rest) = after("bcrypt_sha256$") {
            bcrypt::django(rest).map(Self::Bcrypt) //         Django
        } else if let Some(rest) = after("bcrypt$") {
            bcrypt::plain(rest).map(Self::Bcrypt) //          Django
        } else if text.starts_with("$2x$") {
            return Err(Unusable::Faulty);
        } else if text.starts_with("$2") {
            bcrypt::plain(text).map(Self::Bcrypt) //          everybody
        } else if let Some(rest) = after("$scrypt$") {
            scrypt::phc(rest).map(Self::Scrypt) //            passlib, RustCrypto
        } else if let Some(rest) = after("scrypt:") {
            scrypt::werkzeug(rest).map(Self::Scrypt) //       Werkzeug
        } else if let Some(rest) = after("scrypt$") {
            scrypt::django(rest).map(Self::Scrypt) //         Django
        } else if let Some(rest) = after("$pbkdf2") {
            pbkdf2::phc_or_passlib(rest).map(Self::Pbkdf2) // passlib, RustCrypto, Auth0
        } else if let Some(rest) = after("pbkdf2:") {
            pbkdf2::werkzeug(rest).map(Self::Pbkdf2) //       Werkzeug
        } else if let Some(rest) = after("pbkdf2_") {
            pbkdf2::django(rest).map(Self::Pbkdf2) //         Django
        } else {
            return Err(Unusable::Unknown);
        };
        let stored = found.ok_or(Unusable::Damaged)?;
        if stored.is_within(bounds) { Ok(stored) } else { Err(Unusable::TooCostly) }
    }

    /// What a report calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Bcrypt(hash) => hash.kind(),
            Self::Argon2(hash) => hash.kind(),
            Self::Scrypt(_) => "scrypt",
            Self::Pbkdf2(hash) => hash.kind(),
        }
    }

    fn is_within(&self, bounds: &Bounds) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.is_within(bounds),
            Self::Argon2(hash) => hash.is_within(bounds),
            Self::Scrypt(hash) => hash.is_within(bounds),
            Self::Pbkdf2(hash) => hash.is_within(bounds),
        }
    }

    /// Whether `password` is the one behind it. Digests are compared in constant time.
    pub(super) fn verify(&self, password: &str) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.verify(password),
            Self::Argon2(hash) => hash.verify(password),
            Self::Scrypt(hash) => hash.verify(password),
            Self::Pbkdf2(hash) => hash.verify(password),
        }
    }

    /// Whether `scheme` makes hashes like this one, with the same cost.
    pub(super) fn is_made_by(&self, scheme: &Scheme) -> bool {
        match (self, scheme) {
            (Self::Bcrypt(hash), Scheme::Bcrypt { cost }) => hash.plain_cost() == Some(*cost),
            (Self::Argon2(hash), Scheme::Argon2id(params)) => hash.is_argon2id(params),
            _ => false,
        }
    }
}

/// A salt and a digest of lengths that can be meant.
fn sound(salt: Vec<u8>, digest: Vec<u8>) -> Option<(Vec<u8>, Vec<u8>)> {
    (SALT_BYTES.contains(&salt.len()) && DIGEST_BYTES.contains(&digest.len())).then_some((salt, digest))
}

fn equal(computed: &[u8], stored: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(computed, stored).is_ok()
}

#[cfg(test)]
mod tests;
