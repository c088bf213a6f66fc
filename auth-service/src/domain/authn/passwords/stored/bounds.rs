//! How costly a stored hash may be. Whoever can import hashes could otherwise make one login take all memory, or hours.

use crate::domain::authn::passwords::scheme::Scheme;

/// As much work as this many passes over all of the memory that a hash may take.
const PASSES: u64 = 4;

/// What a hash may ask for at the most.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// bcrypt: 2^cost rounds.
    pub bcrypt_cost: u32,
    /// Argon2 and scrypt.
    pub memory_kib: u64,
    /// PBKDF2, over all blocks of its key.
    pub iterations: u64,
}

impl Bounds {
    /// What `scheme` makes is never beyond the bounds.
    pub(in crate::domain::authn::passwords) fn or_as_costly_as(self, scheme: &Scheme) -> Self {
        match scheme {
            Scheme::Bcrypt { cost } => Self { bcrypt_cost: self.bcrypt_cost.max(*cost), ..self },
            Scheme::Argon2id(params) => {
                let (memory, passes) = (u64::from(params.m_cost()), u64::from(params.t_cost()));
                let work = memory.saturating_mul(passes).div_ceil(PASSES);
                Self { memory_kib: self.memory_kib.max(memory).max(work), ..self }
            }
        }
    }

    /// Whether so much memory may be gone through so many times.
    pub(super) fn allow_memory(&self, kib: u64, passes: u64) -> bool {
        kib <= self.memory_kib && kib.saturating_mul(passes) <= self.memory_kib.saturating_mul(PASSES)
    }
}
