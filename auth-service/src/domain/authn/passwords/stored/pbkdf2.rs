//! PBKDF2 with HMAC: `$pbkdf2-sha256$i=600000,l=32$salt$digest` (PHC), `$pbkdf2-sha256$29000$salt$digest` (passlib),
//! `pbkdf2:sha256:600000$salt$digest` (Werkzeug, in hexadecimal), `pbkdf2_sha256$870000$salt$digest` (Django).

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;

use crate::domain::authn::passwords::stored::bounds::Bounds;
use crate::domain::authn::passwords::stored::encoding::{adapted, from_hex, number, padded, parameter, phc};
use crate::domain::authn::passwords::stored::parts::sound;

#[derive(Debug, Clone, Copy)]
enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Digest {
    fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

#[derive(Debug)]
pub(in crate::domain::authn::passwords) struct Pbkdf2 {
    digest: Digest,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    key: Vec<u8>,
}

/// What follows `$pbkdf2`.
pub(super) fn phc_or_passlib(rest: &str) -> Option<Pbkdf2> {
    let [name, parameters, salt, key]: [&str; 4] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
    // Without a name it is SHA-1.
    let digest = if name.is_empty() { Digest::Sha1 } else { digest(name.strip_prefix('-')?)? };
    if !parameters.contains('=') {
        return build(digest, parameters, adapted(salt)?, whole(digest, adapted(key)?)?);
    }
    let (iterations, length) = match parameters.split_once(',') {
        Some((iterations, length)) => (iterations, Some(parameter::<usize>(length, "l")?)),
        None => (parameters, None),
    };
    let key = phc(key)?;
    let whole = length.is_none_or(|length| length == key.len());
    build(digest, iterations.strip_prefix("i=")?, phc(salt)?, key).filter(|_| whole)
}

/// What follows `pbkdf2:`. The salt is a text.
pub(super) fn werkzeug(rest: &str) -> Option<Pbkdf2> {
    let [parameters, salt, key]: [&str; 3] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
    let (name, iterations) = parameters.split_once(':')?;
    let digest = digest(name)?;
    build(digest, iterations, salt.into(), whole(digest, from_hex(key)?)?)
}

/// What follows `pbkdf2_`. The salt is a text.
pub(super) fn django(rest: &str) -> Option<Pbkdf2> {
    let [name, iterations, salt, key]: [&str; 4] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
    let digest = digest(name)?;
    build(digest, iterations, salt.into(), whole(digest, padded(key)?)?)
}

fn digest(name: &str) -> Option<Digest> {
    match name {
        "sha1" => Some(Digest::Sha1),
        "sha256" => Some(Digest::Sha256),
        "sha512" => Some(Digest::Sha512),
        _ => None,
    }
}

/// These systems always make keys of the digest's own length. Without this, a key that lost its end would be a shorter one
/// of the same password.
fn whole(digest: Digest, key: Vec<u8>) -> Option<Vec<u8>> {
    (key.len() == digest.bytes()).then_some(key)
}

fn build(digest: Digest, iterations: &str, salt: Vec<u8>, key: Vec<u8>) -> Option<Pbkdf2> {
    let (salt, key) = sound(salt, key)?;
    Some(Pbkdf2 { digest, iterations: NonZeroU32::new(number(iterations)?)?, salt, key })
}

impl Pbkdf2 {
    pub(super) fn kind(&self) -> &'static str {
        match self.digest {
            Digest::Sha1 => "pbkdf2-sha1",
            Digest::Sha256 => "pbkdf2-sha256",
            Digest::Sha512 => "pbkdf2-sha512",
        }
    }

    pub(super) fn is_within(&self, bounds: &Bounds) -> bool {
        let blocks = self.key.len().div_ceil(self.digest.bytes()) as u64;
        u64::from(self.iterations.get()).saturating_mul(blocks) <= bounds.iterations
    }

    pub(super) fn verify(&self, password: &str) -> bool {
        let algorithm = match self.digest {
            Digest::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Digest::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Digest::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        pbkdf2::verify(algorithm, self.iterations, &self.salt, password.as_bytes(), &self.key).is_ok()
    }
}
