//! scrypt: `$scrypt$ln=16,r=8,p=1$salt$digest` (PHC, passlib), `scrypt:32768:8:1$salt$digest` (Werkzeug, in hexadecimal),
//! `scrypt$16384$salt$8$1$digest` (Django).

use scrypt::Params;
use zeroize::Zeroizing;

use crate::domain::authn::passwords::stored::bounds::Bounds;
use crate::domain::authn::passwords::stored::encoding;
use crate::domain::authn::passwords::stored::encoding::{from_hex, number, padded, parameter};
use crate::domain::authn::passwords::stored::parts::{equal, sound};

#[derive(Debug)]
pub(in crate::domain::authn::passwords) struct Scrypt {
    log_n: u8,
    r: u32,
    p: u32,
    params: Params,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

/// Without this, a digest that lost its end would be a shorter one of the same password.
const NAMED_DIGEST_BYTES: usize = 64;

/// What follows `$scrypt$`.
pub(super) fn phc(rest: &str) -> Option<Scrypt> {
    let [parameters, salt, digest]: [&str; 3] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
    let [log_n, r, p]: [&str; 3] = parameters.split(',').collect::<Vec<_>>().try_into().ok()?;
    let (log_n, r, p) = (parameter(log_n, "ln")?, parameter(r, "r")?, parameter(p, "p")?);
    build(log_n, r, p, encoding::phc(salt)?, encoding::phc(digest)?)
}

/// What follows `scrypt:`. The salt is a text.
pub(super) fn werkzeug(rest: &str) -> Option<Scrypt> {
    let [parameters, salt, digest]: [&str; 3] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
    let [n, r, p]: [&str; 3] = parameters.split(':').collect::<Vec<_>>().try_into().ok()?;
    build(logarithm(n)?, number(r)?, number(p)?, salt.into(), whole(from_hex(digest)?)?)
}

/// What follows `scrypt$`. The salt is a text.
pub(super) fn django(rest: &str) -> Option<Scrypt> {
    let [n, salt, r, p, digest]: [&str; 5] = rest.split('$').collect::<Vec<_>>().try_into().ok()?;
    build(logarithm(n)?, number(r)?, number(p)?, salt.into(), whole(padded(digest)?)?)
}

/// Werkzeug and Django always make digests of this length.
fn whole(digest: Vec<u8>) -> Option<Vec<u8>> {
    (digest.len() == NAMED_DIGEST_BYTES).then_some(digest)
}

fn logarithm(n: &str) -> Option<u8> {
    let n: u64 = number(n)?;
    u8::try_from(n.checked_ilog2()?).ok().filter(|_| n.is_power_of_two())
}

fn build(log_n: u8, r: u32, p: u32, salt: Vec<u8>, digest: Vec<u8>) -> Option<Scrypt> {
    let (salt, digest) = sound(salt, digest)?;
    let params = Params::new(log_n, r, p).ok()?;
    Some(Scrypt { log_n, r, p, params, salt, digest })
}

impl Scrypt {
    pub(super) fn is_within(&self, bounds: &Bounds) -> bool {
        let table = 1_u64.checked_shl(self.log_n.into()).and_then(|n| n.checked_mul(128));
        let bytes = table.and_then(|row| row.checked_mul(self.r.into()));
        bytes.is_some_and(|bytes| bounds.allow_memory(bytes.div_ceil(1024), self.p.into()))
    }

    pub(super) fn verify(&self, password: &str) -> bool {
        let mut computed = Zeroizing::new(vec![0; self.digest.len()]);
        let done = scrypt::scrypt(password.as_bytes(), &self.salt, &self.params, &mut computed);
        done.is_ok() && equal(&computed, &self.digest)
    }
}
