//! Passwords: which ones are accepted, how they are hashed and verified, and on which threads.

mod hashing;
mod line;
mod nfc;
mod pepper;
mod policy;
mod pool;
mod queue;
mod scheme;
mod stored;

pub use hashing::{Candidate, Hashing, Verification};
pub use pepper::{MIN_PEPPER_BYTES, Peppers};
pub use policy::PasswordPolicy;
pub use pool::{Hasher, HashingError, HashingLimits};
pub use queue::{Arrival, Class};
pub use scheme::Scheme;
pub use stored::{Bounds, Unusable};
