//! How passwords are hashed and checked. What is stored says of itself how it was made (`stored`); the scheme says what new
//! hashes look like; a hash that looks otherwise is renewed when its password is at hand.

#[cfg(test)]
mod tests;

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::domain::authn::passwords::normal::normalized;
use crate::domain::authn::passwords::pepper::{Pepper, Peppers};
use crate::domain::authn::passwords::stored::{Bounds, Stored, Unusable, argon2_into, unpadded};
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
    fn hash(&self, password: &str) -> Option<String> {
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

    /// A hash that no password has, and that costs as much to check as a real one: for accounts that do not exist.
    fn decoy(&self) -> String {
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

/// What a password is compared with. `Debug` shows no hash.
pub enum Candidate {
    /// The hash of the account.
    Stored(String),
    /// Nothing: the password is wrong whatever it is, after as much work as with this hash of somebody else. Without one, as
    /// with a new hash.
    Decoy(Option<String>),
}

impl fmt::Debug for Candidate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Stored(_) => "Stored",
            Self::Decoy(_) => "Decoy",
        })
    }
}

/// What came of checking a password.
#[derive(Debug)]
pub struct Verification {
    /// Whether it is the password.
    pub correct: bool,
    /// What to store instead, when the password is correct and its hash is not what it would be today.
    pub renewed: Option<String>,
    /// How many hashes that took.
    pub hashes: u32,
}

/// The scheme with all that belongs to it.
#[derive(Debug)]
pub struct Hashing {
    scheme: Scheme,
    bounds: Bounds,
    peppers: Peppers,
    decoy: String,
}

impl Hashing {
    /// New hashes by `scheme`; stored ones up to `bounds`, which never exclude what `scheme` makes.
    #[must_use]
    pub fn new(scheme: Scheme, bounds: Bounds, peppers: Peppers) -> Self {
        let decoy = scheme.decoy();
        let decoy = peppers.current().map_or(decoy.clone(), |pepper| pepper.mark(&decoy));
        Self { bounds: bounds.or_as_costly_as(&scheme), scheme, peppers, decoy }
    }

    /// What a stored hash is called in reports.
    ///
    /// # Errors
    /// It could never be checked here, and why.
    pub fn kind_of(&self, stored: &str) -> Result<&'static str, Unusable> {
        self.read(stored).map(|(_, hash)| hash.kind())
    }

    /// Whether a stored hash is like a new one: of the same kind and cost, and with the current pepper.
    #[must_use]
    pub fn makes_such(&self, stored: &str) -> bool {
        self.read(stored).is_ok_and(|(pepper, hash)| self.is_current(pepper, &hash))
    }

    /// The hash of a new password; `None` when the scheme cannot take it.
    pub(super) fn hash(&self, password: &str) -> Option<String> {
        let normal = normalized(password);
        let password = normal.as_ref().map_or(password, |normal| normal.as_str());
        match self.peppers.current() {
            Some(pepper) => Some(pepper.mark(&self.scheme.hash(&pepper.apply(password))?)),
            None => self.scheme.hash(password),
        }
    }

    /// Whether `password` is right. With `renew`, an outdated hash is made anew.
    pub(super) fn verify(&self, password: &str, candidate: &Candidate, renew: bool) -> Verification {
        match candidate {
            Candidate::Decoy(like) => {
                let like = like.as_deref().and_then(|like| self.read(like).ok());
                let hashes = match like.or_else(|| self.read(&self.decoy).ok()) {
                    Some((pepper, hash)) => compare(password, pepper, &hash).1,
                    None => 0,
                };
                Verification { correct: false, renewed: None, hashes }
            }
            Candidate::Stored(stored) => match self.read(stored) {
                Ok((pepper, hash)) => self.judge(password, (pepper, &hash), renew),
                Err(reason) => {
                    log::error!("a stored hash cannot be checked: {reason}");
                    self.verify(password, &Candidate::Decoy(None), false)
                }
            },
        }
    }

    fn judge(&self, password: &str, (pepper, hash): (Option<&Pepper>, &Stored), renew: bool) -> Verification {
        let (matched, hashes) = compare(password, pepper, hash);
        let outdated = match matched {
            Match::No => return Verification { correct: false, renewed: None, hashes },
            Match::AsSent => true,
            Match::AsNormal => !self.is_current(pepper, hash),
        };
        let renewed = if renew && outdated { self.hash(password) } else { None };
        let hashes = hashes + u32::from(renewed.is_some());
        Verification { correct: true, renewed, hashes }
    }

    fn read(&self, stored: &str) -> Result<(Option<&Pepper>, Stored), Unusable> {
        let (pepper, hash) = self.peppers.split(stored)?;
        Ok((pepper, Stored::read(hash, &self.bounds)?))
    }

    fn is_current(&self, pepper: Option<&Pepper>, hash: &Stored) -> bool {
        let peppered = match (pepper, self.peppers.current()) {
            (None, None) => true,
            (Some(pepper), Some(current)) => pepper.is(current),
            _ => false,
        };
        peppered && hash.is_made_by(&self.scheme)
    }
}

/// How a password matches.
enum Match {
    AsNormal,
    AsSent,
    No,
}

/// Hashes from elsewhere, and those from before there was a normal form, were made of what was sent. Also says how many
/// hashes were made.
fn compare(password: &str, pepper: Option<&Pepper>, hash: &Stored) -> (Match, u32) {
    let is_right = |password: &str| match pepper {
        Some(pepper) => hash.verify(&pepper.apply(password)),
        None => hash.verify(password),
    };
    let normal = normalized(password);
    if is_right(normal.as_ref().map_or(password, |normal| normal.as_str())) {
        (Match::AsNormal, 1)
    } else if normal.is_none() {
        (Match::No, 1)
    } else if is_right(password) {
        (Match::AsSent, 2)
    } else {
        (Match::No, 2)
    }
}
