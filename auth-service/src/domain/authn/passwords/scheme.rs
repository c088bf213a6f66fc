//! How new passwords are hashed.

use argon2::Params;

/// bcrypt reads 72 bytes including its final NUL, and takes an earlier NUL for the end. Nothing is ever cut silently.
pub(super) const BCRYPT_MAX_BYTES: usize = 71;

/// How new passwords are hashed.
#[derive(Debug, Clone)]
pub enum Scheme {
    /// bcrypt with this cost: 2^cost rounds.
    Bcrypt {
        /// 4 to 31.
        cost: u32,
    },
    /// Argon2id version 1.3 (RFC 9106).
    Argon2id(Params),
}

impl Scheme {
    /// Argon2id with `memory` in KiB.
    ///
    /// # Errors
    /// Parameters that RFC 9106 does not allow.
    pub fn argon2id(memory: u32, iterations: u32, parallelism: u32) -> Result<Self, argon2::Error> {
        Params::new(memory, iterations, parallelism, None).map(Self::Argon2id)
    }
}
