//! How passwords are hashed and checked. What is stored says of itself how it was made (`stored`); the scheme says what new
//! hashes look like; a hash that looks otherwise is renewed when its password is at hand.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use super::normal::normalized;
use super::pepper::{Pepper, Peppers};
use super::stored::{Bounds, Stored, Unusable, argon2_into, unpadded};
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

/// What came of checking a password.
#[derive(Debug)]
pub struct Verdict {
    /// Whether it is the password.
    pub correct: bool,
    /// What to store instead, when the password is correct and its hash is not what it would be today.
    pub renewed: Option<String>,
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

    /// The hash of a new password; `None` when the scheme cannot take it.
    pub(super) fn hash(&self, password: &str) -> Option<String> {
        let normal = normalized(password);
        let password = normal.as_ref().map_or(password, |normal| normal.as_str());
        match self.peppers.current() {
            Some(pepper) => Some(pepper.mark(&self.scheme.hash(&pepper.apply(password))?)),
            None => self.scheme.hash(password),
        }
    }

    /// Whether `password` is the one that `stored` was made from. Without a stored hash it is not, after as much work.
    /// With `renew`, an outdated hash is made anew.
    pub(super) fn verify(&self, password: &str, stored: Option<&str>, renew: bool) -> Verdict {
        let no = Verdict { correct: false, renewed: None };
        let (pepper, hash) = match self.read(stored.unwrap_or(&self.decoy)) {
            Ok(found) => found,
            Err(reason) if stored.is_some() => {
                log::error!("a stored hash cannot be checked: {reason}");
                return self.verify(password, None, false);
            }
            Err(_) => return no,
        };
        let is_right = |password: &str| match pepper {
            Some(pepper) => hash.verify(&pepper.apply(password)),
            None => hash.verify(password),
        };
        // Hashes from elsewhere, and those from before this rule, were made of what was sent.
        let normal = normalized(password);
        let right_as_normal = is_right(normal.as_ref().map_or(password, |normal| normal.as_str()));
        let right_as_sent = !right_as_normal && normal.is_some() && is_right(password);
        if !right_as_normal && !right_as_sent {
            self.even_out(&hash);
            return no;
        }
        let outdated = right_as_sent || !self.is_current(pepper, &hash);
        let renewed = if renew && outdated { self.hash(password) } else { None };
        Verdict { correct: stored.is_some(), renewed: renewed.filter(|_| stored.is_some()) }
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

    /// A bcrypt hash from before the cost was raised is checked faster than a decoy. The rest is worked off here: each cost
    /// takes twice the time of the one below, so one of each from the old cost on adds up to the new one.
    fn even_out(&self, hash: &Stored) {
        let (Scheme::Bcrypt { cost: new }, Some(old)) = (&self.scheme, hash.bcrypt_cost()) else { return };
        for cost in old..*new {
            let _ = bcrypt::non_truncating_verify("", &Scheme::Bcrypt { cost }.decoy());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { bcrypt_cost: 6, memory_kib: 1024, iterations: 10_000 };

    fn by(scheme: Scheme) -> Hashing {
        Hashing::new(scheme, BOUNDS, Peppers::default())
    }

    fn bcrypt(cost: u32) -> Hashing {
        by(Scheme::Bcrypt { cost })
    }

    fn argon2id() -> Hashing {
        by(Scheme::argon2id(64, 1, 1).unwrap())
    }

    fn peppered(current: Option<&str>, previous: Option<&str>) -> Hashing {
        let secret = |text: &str| SecretString::from(text.to_owned());
        let (current, previous) = (current.map(secret), previous.map(secret));
        let peppers = Peppers::new(current.as_ref(), previous.as_ref());
        Hashing::new(Scheme::Bcrypt { cost: 4 }, BOUNDS, peppers)
    }

    use secrecy::SecretString;

    #[test]
    fn a_hash_verifies_its_password_and_no_other() {
        for hashing in [bcrypt(4), argon2id(), peppered(Some("p"), None)] {
            let hash = hashing.hash("correct horse").unwrap();
            let verdict = hashing.verify("correct horse", Some(&hash), true);
            assert!(verdict.correct && verdict.renewed.is_none(), "{hash}");
            for other in ["correct horsf", "Correct horse", "correct horse ", "", "correct horse\0"] {
                assert!(!hashing.verify(other, Some(&hash), true).correct, "{other:?}");
            }
            assert_ne!(hashing.hash("correct horse").unwrap(), hash, "salted");
        }
    }

    #[test]
    fn a_decoy_is_a_hash_that_no_password_has() {
        for hashing in [bcrypt(4), argon2id(), peppered(Some("p"), None)] {
            assert!(!hashing.verify("", None, true).correct);
            assert!(!hashing.verify("", Some(&hashing.decoy), true).correct);
            hashing.kind_of(&hashing.decoy).expect("it is worked through");
        }
    }

    #[test]
    fn bcrypt_never_cuts() {
        let hashing = bcrypt(4);
        assert!(hashing.hash(&"x".repeat(71)).is_some());
        assert!(hashing.hash(&"x".repeat(72)).is_none());
        assert!(hashing.hash("P\0P").is_none());
        let hash = hashing.hash("P").unwrap();
        assert!(!hashing.verify("P\0P", Some(&hash), true).correct);
        let long = peppered(Some("p"), None);
        let hash = long.hash(&"x".repeat(500)).unwrap();
        assert!(long.verify(&"x".repeat(500), Some(&hash), true).correct, "behind a pepper it need not");
        assert!(!long.verify(&"x".repeat(499), Some(&hash), true).correct);
    }

    #[test]
    fn what_is_made_otherwise_than_today_is_renewed_and_only_with_its_password() {
        let rows = vec![
            (bcrypt(4), bcrypt(5)),
            (bcrypt(5), bcrypt(4)),
            (bcrypt(4), argon2id()),
            (argon2id(), bcrypt(4)),
        ];
        for (before, now) in rows {
            let old = before.hash("correct horse").unwrap();
            assert!(now.verify("correct horse", Some(&old), false).renewed.is_none(), "nobody asked");
            assert!(now.verify("wrong horse", Some(&old), true).renewed.is_none());
            let verdict = now.verify("correct horse", Some(&old), true);
            let new = verdict.renewed.unwrap();
            let verdict = now.verify("correct horse", Some(&new), true);
            assert!(verdict.correct && verdict.renewed.is_none(), "{old} became {new}");
        }
        let old = argon2id().hash(&"x".repeat(100)).unwrap();
        let verdict = bcrypt(4).verify(&"x".repeat(100), Some(&old), true);
        assert!(verdict.correct && verdict.renewed.is_none(), "bcrypt cannot take it, so it stays");
    }

    #[test]
    fn a_password_is_the_same_in_every_normal_form() {
        let (composed, decomposed) = ("zuf\u{e4}llig", "zufa\u{308}llig");
        let hashing = bcrypt(4);
        for password in [composed, decomposed] {
            let hash = hashing.hash(password).unwrap();
            for typed in [composed, decomposed] {
                assert!(hashing.verify(typed, Some(&hash), true).correct);
            }
        }
        let old = hashing.scheme.hash(decomposed).unwrap();
        let verdict = hashing.verify(decomposed, Some(&old), true);
        assert!(verdict.correct, "a hash from before there was this rule");
        assert!(hashing.verify(composed, verdict.renewed.as_deref(), true).correct, "renewed in NFC");
    }

    #[test]
    fn peppers_come_change_and_go_by_logins() {
        let (none, first) = (peppered(None, None), peppered(Some("first"), None));
        let second = peppered(Some("second"), Some("first"));
        let back = peppered(None, Some("second"));
        let mut hash = none.hash("correct horse").unwrap();
        for (before, now) in [(&none, &first), (&first, &second), (&second, &back)] {
            assert!(before.verify("correct horse", Some(&hash), true).renewed.is_none());
            let verdict = now.verify("correct horse", Some(&hash), true);
            assert!(verdict.correct);
            hash = verdict.renewed.unwrap();
        }
        assert!(hash.starts_with("$2b$04$"), "{hash}");
        let lost = first.hash("correct horse").unwrap();
        assert!(lost.starts_with("$pepper$k="), "{lost}");
        for without in [&none, &back] {
            assert_eq!(without.kind_of(&lost), Err(Unusable::OtherPepper));
            assert!(!without.verify("correct horse", Some(&lost), true).correct);
        }
        let inner = lost.get("$pepper$k=12345678".len()..).unwrap();
        assert!(!none.verify("correct horse", Some(inner), true).correct, "the table alone is of no use");
    }

    #[test]
    fn the_scheme_itself_is_never_beyond_the_bounds() {
        for hashing in
            [bcrypt(8), by(Scheme::argon2id(2048, 1, 1).unwrap()), by(Scheme::argon2id(8, 600, 1).unwrap())]
        {
            let hash = hashing.hash("correct horse").unwrap();
            assert!(hashing.verify("correct horse", Some(&hash), true).correct, "{hash}");
        }
        assert_eq!(bcrypt(4).kind_of(&bcrypt(8).hash("correct horse").unwrap()), Err(Unusable::TooCostly));
    }
}
