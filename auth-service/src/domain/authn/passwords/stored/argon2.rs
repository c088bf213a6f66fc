//! Argon2i, Argon2d and Argon2id as PHC strings: `$argon2id$v=19$m=65536,t=3,p=4$salt$digest`. Without `v`, it is the
//! version before 1.3.

use std::cell::RefCell;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use crate::domain::authn::passwords::stored::bounds::Bounds;
use crate::domain::authn::passwords::stored::encoding;
use crate::domain::authn::passwords::stored::encoding::parameter;
use crate::domain::authn::passwords::stored::parts::{equal, sound};

/// Memory is kept by its thread up to this size: without the page faults of a fresh one, a hash takes two thirds of the
/// time or less. What needs more is rare, and would stay allocated for good.
const KEPT_BLOCKS: usize = 64 * 1024;

#[derive(Debug)]
pub(in crate::domain::authn::passwords) struct Argon2Hash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

/// What follows `$argon2`.
pub(super) fn phc(rest: &str) -> Option<Argon2Hash> {
    let fields: Vec<&str> = rest.split('$').collect();
    let (kind, version, parameters, salt, digest) = match *fields {
        [kind, version, parameters, salt, digest] => (kind, version, parameters, salt, digest),
        [kind, parameters, salt, digest] => (kind, "v=16", parameters, salt, digest),
        _ => return None,
    };
    let algorithm = match kind {
        "i" => Algorithm::Argon2i,
        "d" => Algorithm::Argon2d,
        "id" => Algorithm::Argon2id,
        _ => return None,
    };
    let version = match version {
        "v=16" => Version::V0x10,
        "v=19" => Version::V0x13,
        _ => return None,
    };
    let [memory, iterations, lanes]: [&str; 3] = parameters.split(',').collect::<Vec<_>>().try_into().ok()?;
    let (salt, digest) = sound(encoding::phc(salt)?, encoding::phc(digest)?)?;
    let lanes = parameter(lanes, "p")?;
    let params =
        Params::new(parameter(memory, "m")?, parameter(iterations, "t")?, lanes, Some(digest.len())).ok()?;
    (salt.len() >= argon2::MIN_SALT_LEN).then_some(Argon2Hash { algorithm, version, params, salt, digest })
}

impl Argon2Hash {
    pub(super) fn kind(&self) -> &'static str {
        self.algorithm.as_str()
    }

    pub(super) fn is_within(&self, bounds: &Bounds) -> bool {
        bounds.allow_memory(self.params.m_cost().into(), self.params.t_cost().into())
    }

    pub(super) fn is_argon2id(&self, wanted: &Params) -> bool {
        let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        let newest = self.algorithm == Algorithm::Argon2id && self.version == Version::V0x13;
        newest && cost(&self.params) == cost(wanted) && self.digest.len() == Params::DEFAULT_OUTPUT_LEN
    }

    pub(super) fn verify(&self, password: &str) -> bool {
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        let mut computed = Zeroizing::new(vec![0; self.digest.len()]);
        let done = fill(&argon2, password.as_bytes(), &self.salt, &mut computed);
        done.is_some() && equal(&computed, &self.digest)
    }
}

/// Computes a digest in memory that this thread keeps.
pub(in crate::domain::authn::passwords) fn fill(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    digest: &mut [u8],
) -> Option<()> {
    thread_local! { static MEMORY: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) } }
    let blocks = argon2.params().block_count();
    MEMORY.with_borrow_mut(|kept| {
        if kept.len() < blocks {
            // Not `resize`: what is in it need not be copied.
            *kept = Vec::new();
            *kept = vec![Block::new(); blocks];
        }
        let memory = kept.get_mut(..blocks)?;
        let done = argon2.hash_password_into_with_memory(password, salt, digest, memory);
        if kept.len() > KEPT_BLOCKS {
            *kept = Vec::new();
        }
        done.ok()
    })
}
