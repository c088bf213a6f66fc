//! Hashing and verification of passwords.

mod candidate;
mod hashes;
mod new_hash;
#[cfg(test)]
mod tests;

pub use candidate::{Candidate, Verification};
pub use hashes::Hashing;
