//! What a password is compared with, and the result.

use std::fmt;

/// What a password is compared with. `Debug` shows no hash.
pub enum Candidate {
    /// The hash of the account.
    Stored(String),
    /// None: any password is wrong, after as much work as with this hash of another account. Without one, as with a new hash.
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

/// The result of checking a password.
#[derive(Debug)]
pub struct Verification {
    /// Whether the password is right.
    pub correct: bool,
    /// The hash to store instead, when the password is right and its hash is outdated.
    pub renewed: Option<String>,
    /// How many hashes were computed.
    pub hashes: u32,
}
