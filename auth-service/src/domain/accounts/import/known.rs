//! Which names and addresses an import has met, so that a second one is told from a first.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use crate::store::users::User;

/// Why an account of an import is not new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Earlier {
    /// Its name was there, with this very hash.
    Same,
    /// Its name was there, with another hash.
    Name,
    /// Its address was there, with another name.
    Address,
}

impl Earlier {
    /// By the hash that its name had, if it was there, and whether its address was.
    fn of<T: PartialEq>(hash: Option<&T>, own: &T, has_address: bool) -> Option<Self> {
        match hash {
            Some(hash) if hash == own => Some(Self::Same),
            Some(_) => Some(Self::Name),
            None => has_address.then_some(Self::Address),
        }
    }
}

/// What is stored of the names of a batch.
#[derive(Default)]
pub(super) struct Known {
    hashes: HashMap<String, String>,
    /// With whether it is verified.
    addresses: HashMap<String, bool>,
}

/// Whether an address that was there stays where it is: it gives way to one that is verified if it is not.
fn stays(verified: Option<bool>, user: &User) -> bool {
    verified.is_some_and(|verified| verified || !user.email_verified)
}

impl Known {
    pub(super) fn look(&self, user: &User) -> Option<Earlier> {
        let verified = user.email.as_ref().and_then(|email| self.addresses.get(email));
        let has_address = stays(verified.copied(), user);
        Earlier::of(self.hashes.get(&user.username), &user.password_hash, has_address)
    }

    pub(super) fn add(&mut self, user: User) {
        self.hashes.insert(user.username, user.password_hash);
        let verified = user.email_verified;
        self.addresses.extend(user.email.map(|email| (email, verified)));
    }
}

/// What a dry run would have stored so far, from its first batch to its last.
///
/// It grows by some 50 bytes for each account, because it keeps digests of 64 bits: among ten million names two have the
/// same one in a dry run out of 300,000, which then refuses one account too many. Their key is random, so that no file can
/// be written to meet them.
#[derive(Debug, Default)]
pub struct Rehearsal {
    digests: RandomState,
    hashes: HashMap<u64, u64>,
    /// With whether it is verified.
    addresses: HashMap<u64, bool>,
}

impl Rehearsal {
    /// Takes an account that is not stored; says why it would not have been.
    pub(super) fn take(&mut self, user: &User) -> Option<Earlier> {
        let digest = |text: &String| self.digests.hash_one(text);
        let (name, hash) = (digest(&user.username), digest(&user.password_hash));
        let address = user.email.as_ref().map(digest);
        let verified = address.and_then(|address| self.addresses.get(&address));
        let has_address = stays(verified.copied(), user);
        let earlier = Earlier::of(self.hashes.get(&name), &hash, has_address);
        if earlier.is_none() {
            self.hashes.insert(name, hash);
            self.addresses.extend(address.map(|address| (address, user.email_verified)));
        }
        earlier
    }
}
