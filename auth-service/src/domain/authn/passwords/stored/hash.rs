//! A stored hash, read by its own prefix.

use crate::domain::authn::passwords::scheme::Scheme;
use crate::domain::authn::passwords::stored::bounds::Bounds;
use crate::domain::authn::passwords::stored::unusable::Unusable;
use crate::domain::authn::passwords::stored::{argon2, bcrypt, pbkdf2, scrypt};

/// No hash of any system is longer.
const MAX_BYTES: usize = 1024;

/// A hash that can be verified.
#[derive(Debug)]
pub(in crate::domain::authn::passwords) enum Stored {
    Bcrypt(bcrypt::Bcrypt),
    Argon2(argon2::Argon2Hash),
    Scrypt(scrypt::Scrypt),
    Pbkdf2(pbkdf2::Pbkdf2),
}

impl Stored {
    /// Reads a hash. The second column is who writes it like that.
    pub(in crate::domain::authn::passwords) fn read(text: &str, bounds: &Bounds) -> Result<Self, Unusable> {
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
            bcrypt::plain(text).map(Self::Bcrypt) //          most systems
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
    pub(in crate::domain::authn::passwords) fn kind(&self) -> &'static str {
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
    pub(in crate::domain::authn::passwords) fn verify(&self, password: &str) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.verify(password),
            Self::Argon2(hash) => hash.verify(password),
            Self::Scrypt(hash) => hash.verify(password),
            Self::Pbkdf2(hash) => hash.verify(password),
        }
    }

    /// Whether `scheme` makes hashes like this one, with the same cost.
    pub(in crate::domain::authn::passwords) fn is_made_by(&self, scheme: &Scheme) -> bool {
        match (self, scheme) {
            (Self::Bcrypt(hash), Scheme::Bcrypt { cost }) => hash.plain_cost() == Some(*cost),
            (Self::Argon2(hash), Scheme::Argon2id(params)) => hash.is_argon2id(params),
            _ => false,
        }
    }
}
