//! Stored hashes: this service's own, and those of other systems.
//!
//! Reading is done here, strictly; computing is done by crates. Reading also checks the cost, so that no hash beyond the bounds
//! is ever computed.

mod argon2;
mod bcrypt;
mod bounds;
mod encoding;
mod hash;
mod parts;
mod pbkdf2;
mod scrypt;
#[cfg(test)]
mod tests;
mod unusable;

pub(super) use argon2::fill as argon2_into;
pub use bounds::Bounds;
pub(super) use encoding::{hex, unpadded};
pub(super) use hash::Stored;
pub use unusable::Unusable;
