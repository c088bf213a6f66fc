//! Hashing and verification of passwords. A stored hash declares how it was made (`stored`), the scheme how new hashes are
//! made. An outdated hash is renewed when its password is at hand.

use crate::domain::authn::passwords::hashing::candidate::{Candidate, Verification};
use crate::domain::authn::passwords::nfc::nfc;
use crate::domain::authn::passwords::pepper::{Pepper, Peppers};
use crate::domain::authn::passwords::scheme::Scheme;
use crate::domain::authn::passwords::stored::{Bounds, Stored, Unusable};

/// Hashes and verifies passwords.
#[derive(Debug)]
pub struct Hashing {
    pub(super) scheme: Scheme,
    bounds: Bounds,
    peppers: Peppers,
    pub(super) decoy: String,
}

impl Hashing {
    /// Creates it for new hashes by `scheme`, and stored ones within `bounds`. What `scheme` makes is always within them.
    #[must_use]
    pub fn new(scheme: Scheme, bounds: Bounds, peppers: Peppers) -> Self {
        let decoy = scheme.decoy();
        let decoy = peppers.current().map_or(decoy.clone(), |pepper| pepper.wrap(&decoy));
        Self { bounds: bounds.or_as_costly_as(&scheme), scheme, peppers, decoy }
    }

    /// Returns the name of the kind of a stored hash, for reports.
    ///
    /// # Errors
    /// Why it could never be verified here.
    pub fn kind_of(&self, stored: &str) -> Result<&'static str, Unusable> {
        self.read(stored).map(|(_, hash)| hash.kind())
    }

    /// Whether a stored hash is like a new one: of the same kind and cost, and with the current pepper.
    #[must_use]
    pub fn makes_such(&self, stored: &str) -> bool {
        self.read(stored).is_ok_and(|(pepper, hash)| self.is_current(pepper, &hash))
    }

    /// The hash of a new password; `None` when the scheme cannot take it.
    pub(in crate::domain::authn::passwords) fn hash(&self, password: &str) -> Option<String> {
        let normalized = nfc(password);
        let password = normalized.as_ref().map_or(password, |text| text.as_str());
        match self.peppers.current() {
            Some(pepper) => Some(pepper.wrap(&self.scheme.hash(&pepper.apply(password))?)),
            None => self.scheme.hash(password),
        }
    }

    /// Whether `password` is right. With `renew`, an outdated hash is computed anew.
    pub(in crate::domain::authn::passwords) fn verify(
        &self,
        password: &str,
        candidate: &Candidate,
        renew: bool,
    ) -> Verification {
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
                Ok((pepper, hash)) => self.verify_stored(password, pepper, &hash, renew),
                Err(reason) => {
                    log::error!("a stored hash cannot be verified: {reason}");
                    self.verify(password, &Candidate::Decoy(None), false)
                }
            },
        }
    }

    fn verify_stored(
        &self,
        password: &str,
        pepper: Option<&Pepper>,
        hash: &Stored,
        renew: bool,
    ) -> Verification {
        let (matched, hashes) = compare(password, pepper, hash);
        let outdated = match matched {
            Match::No => return Verification { correct: false, renewed: None, hashes },
            Match::AsSent => true,
            Match::AsNfc => !self.is_current(pepper, hash),
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
    AsNfc,
    AsSent,
    No,
}

/// Compares a password as NFC, then as it was sent: hashes of other systems, and old ones, were made of that. Also returns how
/// many hashes were computed.
fn compare(password: &str, pepper: Option<&Pepper>, hash: &Stored) -> (Match, u32) {
    let is_right = |password: &str| match pepper {
        Some(pepper) => hash.verify(&pepper.apply(password)),
        None => hash.verify(password),
    };
    let normalized = nfc(password);
    if is_right(normalized.as_ref().map_or(password, |text| text.as_str())) {
        (Match::AsNfc, 1)
    } else if normalized.is_none() {
        (Match::No, 1)
    } else if is_right(password) {
        (Match::AsSent, 2)
    } else {
        (Match::No, 2)
    }
}
