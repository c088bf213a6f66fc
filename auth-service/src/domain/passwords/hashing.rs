//! Password hashes as self-describing strings. Verification goes by the string; the scheme says what new ones look like.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};

use crate::domain::random;

/// bcrypt sees 72 bytes with its closing NUL, and takes a NUL inside for the end. Neither is ever cut silently.
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

    /// The hash of a new password, with a random salt; `None` when this scheme cannot take the password.
    pub(super) fn hash(&self, password: &str) -> Option<String> {
        match self {
            Self::Bcrypt { cost } if bcrypt_takes(password) => {
                let salt = *random::bytes::<16>();
                Some(bcrypt::non_truncating_hash_with_salt(password, *cost, salt).ok()?.to_string())
            }
            Self::Bcrypt { .. } => None,
            Self::Argon2id(params) => {
                let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
                let salt = random::bytes::<16>();
                Some(hasher.hash_password_with_salt(password.as_bytes(), salt.as_slice()).ok()?.to_string())
            }
        }
    }

    /// A hash that no password has, and that costs as much to check as a real one: for accounts that do not exist.
    pub(super) fn decoy(&self) -> String {
        match self {
            Self::Bcrypt { cost } => format!("$2b${cost:02}${}{}", ".".repeat(22), ".".repeat(31)),
            Self::Argon2id(params) => format!(
                "$argon2id$v=19$m={},t={},p={}${}${}",
                params.m_cost(),
                params.t_cost(),
                params.p_cost(),
                "A".repeat(22),
                "A".repeat(43)
            ),
        }
    }
}

/// Whether `password` is the one that `stored` was made from. `decoy` is what an impossible password is checked against,
/// so that it costs the same.
pub(super) fn verify(password: &str, stored: &str, decoy: &str) -> bool {
    if stored.starts_with("$argon2") {
        let parsed = PasswordHash::new(stored);
        return parsed
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
    }
    if bcrypt_takes(password) {
        let correct = bcrypt::non_truncating_verify(password, stored).unwrap_or(false);
        even_out(stored, decoy);
        return correct;
    }
    let _ = bcrypt::non_truncating_verify("", decoy);
    false
}

/// A hash from before the cost was raised is checked faster than a decoy. The rest is worked off here: each cost takes
/// twice the time of the one below, so one of each from the old cost on adds up to the new one.
fn even_out(stored: &str, decoy: &str) {
    let cost = |hash: &str| hash.strip_prefix("$2").and_then(|rest| rest.get(2..4)?.parse::<u32>().ok());
    let (Some(old), Some(new)) = (cost(stored), cost(decoy)) else { return };
    for cost in old..new {
        let _ = bcrypt::non_truncating_verify("", &Scheme::Bcrypt { cost }.decoy());
    }
}

fn bcrypt_takes(password: &str) -> bool {
    password.len() <= BCRYPT_MAX_BYTES && !password.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemes() -> [Scheme; 2] {
        [Scheme::Bcrypt { cost: 4 }, Scheme::argon2id(64, 1, 1).unwrap()]
    }

    #[test]
    fn a_hash_verifies_its_password_and_no_other() {
        for scheme in schemes() {
            let hash = scheme.hash("correct horse").unwrap();
            assert!(verify("correct horse", &hash, &scheme.decoy()), "{hash}");
            for other in ["correct horsf", "Correct horse", "correct horse ", "", "correct horse\0"] {
                assert!(!verify(other, &hash, &scheme.decoy()), "{other:?}");
            }
            assert_ne!(scheme.hash("correct horse").unwrap(), hash, "salted");
        }
    }

    #[test]
    fn a_decoy_is_a_hash_that_no_password_has() {
        for scheme in schemes() {
            let decoy = scheme.decoy();
            assert!(!verify("", &decoy, &decoy));
            match scheme {
                Scheme::Bcrypt { .. } => {
                    assert!(bcrypt::non_truncating_verify("x", &decoy).is_ok(), "it is worked through");
                }
                Scheme::Argon2id(_) => assert!(PasswordHash::new(&decoy).is_ok()),
            }
        }
    }

    #[test]
    fn bcrypt_never_cuts() {
        let scheme = Scheme::Bcrypt { cost: 4 };
        assert!(scheme.hash(&"x".repeat(71)).is_some());
        assert!(scheme.hash(&"x".repeat(72)).is_none());
        assert!(scheme.hash("P\0P").is_none());
        let hash = scheme.hash("P").unwrap();
        assert!(!verify("P\0P", &hash, &scheme.decoy()));
    }
}
