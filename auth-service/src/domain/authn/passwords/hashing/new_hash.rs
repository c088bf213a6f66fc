//! New hashes.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::domain::authn::passwords::scheme::{BCRYPT_MAX_BYTES, Scheme};
use crate::domain::authn::passwords::stored::{argon2_into, unpadded};
use crate::domain::random;

impl Scheme {
    /// Hashes a new password, with a random salt; `None` when this scheme cannot take the password.
    pub(super) fn hash(&self, password: &str) -> Option<String> {
        let salt = random::bytes::<16>();
        match self {
            Self::Bcrypt { cost } => {
                let takes = password.len() <= BCRYPT_MAX_BYTES && !password.contains('\0');
                let parts = takes.then(|| bcrypt::non_truncating_hash_with_salt(password, *cost, *salt));
                Some(parts?.ok()?.to_string())
            }
            Self::Argon2id(params) => {
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
                let mut digest = Zeroizing::new([0; Params::DEFAULT_OUTPUT_LEN]);
                argon2_into(&argon2, password.as_bytes(), salt.as_slice(), digest.as_mut_slice())?;
                Some(argon2id(params, &unpadded(salt.as_slice()), &unpadded(digest.as_slice())))
            }
        }
    }

    /// Returns a hash that no password has, and that costs as much to check as a real one: for unknown accounts.
    pub(super) fn decoy(&self) -> String {
        match self {
            Self::Bcrypt { cost } => format!("$2b${cost:02}${}{}", ".".repeat(22), ".".repeat(31)),
            Self::Argon2id(params) => argon2id(params, &"A".repeat(22), &"A".repeat(43)),
        }
    }
}

fn argon2id(params: &Params, salt: &str, digest: &str) -> String {
    let (memory, iterations, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
    format!("$argon2id$v=19$m={memory},t={iterations},p={lanes}${salt}${digest}")
}
