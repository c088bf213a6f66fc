//! Passwords: which ones are accepted, how they are hashed, and on which threads.

mod hashing;
mod policy;
mod pool;

pub use hashing::Scheme;
pub use policy::PasswordPolicy;
pub use pool::{Hasher, HashingError, HashingLimits};
