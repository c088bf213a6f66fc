//! The pepper: a secret that is not in the database, so that a stolen table alone is of no use for guessing.
//!
//! What is hashed is then base64(HMAC-SHA-256(pepper, password)), and the hash is wrapped: prefixed with `$pepper$k=` and the
//! name of the pepper. A hash without the prefix verifies as before, and is renewed at the next login.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::domain::authn::passwords::stored::{Unusable, hex};

const PREFIX: &str = "$pepper$k=";
const NAME_CHARS: usize = 8;
/// A shorter secret could be guessed.
pub const MIN_PEPPER_BYTES: usize = 32;

/// The pepper that new hashes get, and the one before it.
#[derive(Debug, Default)]
pub struct Peppers {
    current: Option<Pepper>,
    previous: Option<Pepper>,
}

#[derive(Debug)]
pub(super) struct Pepper {
    name: String,
    key: hmac::Key,
}

impl Peppers {
    /// Without a current one, new hashes have none; hashes with the previous one still verify, and are renewed.
    #[must_use]
    pub fn new(current: Option<&SecretString>, previous: Option<&SecretString>) -> Self {
        Self { current: current.map(Pepper::new), previous: previous.map(Pepper::new) }
    }

    pub(super) fn current(&self) -> Option<&Pepper> {
        self.current.as_ref()
    }

    /// Returns the pepper of a stored hash, and the hash without its prefix.
    pub(super) fn split<'a>(&self, stored: &'a str) -> Result<(Option<&Pepper>, &'a str), Unusable> {
        let Some(wrapped) = stored.strip_prefix(PREFIX) else { return Ok((None, stored)) };
        let (name, hash) = wrapped.split_at_checked(NAME_CHARS).ok_or(Unusable::Damaged)?;
        let mut known = [&self.current, &self.previous].into_iter().flatten();
        let pepper = known.find(|pepper| pepper.name == name).ok_or(Unusable::OtherPepper)?;
        Ok((Some(pepper), hash))
    }
}

impl Pepper {
    fn new(secret: &SecretString) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let name = hex(hmac::sign(&key, b"the name of this pepper").as_ref());
        Self { name: name.chars().take(NAME_CHARS).collect(), key }
    }

    pub(super) fn apply(&self, password: &str) -> Zeroizing<String> {
        Zeroizing::new(STANDARD_NO_PAD.encode(hmac::sign(&self.key, password.as_bytes())))
    }

    /// Prefixes a hash with the name of this pepper.
    pub(super) fn wrap(&self, hash: &str) -> String {
        format!("{PREFIX}{}{hash}", self.name)
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
