//! A request for a hash: its source, the identifier, and the class.

use aws_lc_rs::digest::{SHA256, digest};

use crate::domain::authn::source::Source;

/// Which class is served first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The first right password for the account came from this source long ago.
    Known,
    /// All others.
    Other,
}

/// The way from the root of the tree to its leaf: three networks, each in the one before, and one identifier in the last.
pub(super) type Path = [u128; 4];

/// One request for a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    pub(super) path: Path,
    pub(super) class: Class,
}

impl Arrival {
    /// `identifier` is the name or the address that was submitted.
    #[must_use]
    pub fn new(source: &Source, identifier: &str, class: Class) -> Self {
        let [wide, middle, own] = source.networks();
        let bytes = [own.to_be_bytes().as_slice(), identifier.as_bytes()].concat();
        // Half of the digest: two that are alike would only wait for each other.
        let half = digest(&SHA256, &bytes)
            .as_ref()
            .iter()
            .take(16)
            .fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        Self { path: [wide, middle, own, half], class }
    }

    /// By which the hashes for one identifier from one source are counted.
    pub(super) fn pair(&self) -> u128 {
        let [_, _, _, pair] = self.path;
        pair
    }
}
