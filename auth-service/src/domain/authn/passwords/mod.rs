//! Passwords: which ones are accepted, how they are hashed and checked, and on which threads.

mod hashing;
mod line;
mod normal;
mod pepper;
mod policy;
mod pool;
mod queue;
mod stored;

pub use hashing::{Candidate, Hashing, Scheme, Verification};
pub use pepper::{MIN_PEPPER_BYTES, Peppers};
pub use policy::PasswordPolicy;
pub use pool::{Hasher, HashingError, HashingLimits};
pub use queue::{Arrival, Class};
pub use stored::{Bounds, Unusable};
