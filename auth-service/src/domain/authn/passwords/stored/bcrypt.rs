//! bcrypt: `$2b$12$` + 22 characters of salt + 31 of digest; `2a` and `2y` are other names of the same. Django and passlib
//! also have forms that hash the password with SHA-256 before, so that bcrypt sees all of it.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::domain::authn::passwords::scheme::BCRYPT_MAX_BYTES;
use crate::domain::authn::passwords::stored::bounds::Bounds;
use crate::domain::authn::passwords::stored::encoding;
use crate::domain::authn::passwords::stored::encoding::hex;
use crate::domain::authn::passwords::stored::encoding::{number, parameter};
use crate::domain::authn::passwords::stored::parts::equal;

const SALT_CHARS: usize = 22;

#[derive(Debug)]
pub(in crate::domain::authn::passwords) struct Bcrypt {
    cost: u32,
    salt: [u8; 16],
    digest: [u8; 23],
    before: Before,
}

/// What is done to a password before bcrypt sees it.
#[derive(Debug)]
enum Before {
    Nothing,
    /// Django.
    HexSha256,
    /// passlib until 1.7.2.
    Base64Sha256,
    /// passlib since; the key is the salt as it is written.
    Base64Hmac {
        key: String,
    },
}

/// `$2b$12$…`.
pub(super) fn plain(text: &str) -> Option<Bcrypt> {
    let (version, rest) = text.strip_prefix('$')?.split_once('$')?;
    let (cost, rest) = rest.split_once('$')?;
    // Two digits, so that each cost is written in one way.
    let cost = (cost.len() == 2).then(|| cost.trim_start_matches('0'))?;
    let known = ["2a", "2b", "2y"].contains(&version) && rest.is_ascii() && rest.len() == SALT_CHARS + 31;
    let (salt, digest) = rest.split_at_checked(SALT_CHARS).filter(|_| known)?;
    build(number(cost)?, salt, digest, Before::Nothing)
}

/// Django's `bcrypt_sha256$` + a plain one.
pub(super) fn django(rest: &str) -> Option<Bcrypt> {
    plain(rest).map(|hash| Bcrypt { before: Before::HexSha256, ..hash })
}

/// passlib's `$bcrypt-sha256$` + `v=2,t=2b,r=12$salt$digest`, or + `2b,12$salt$digest` before that.
pub(super) fn passlib(rest: &str) -> Option<Bcrypt> {
    let [parameters, salt, digest] = parts(rest)?;
    let fields: Vec<&str> = parameters.split(',').collect();
    let (version, cost, before) = match *fields {
        ["v=2", version, cost] => {
            let before = Before::Base64Hmac { key: salt.to_owned() };
            (version.strip_prefix("t=")?, parameter(cost, "r")?, before)
        }
        [version, cost] => (version, number(cost)?, Before::Base64Sha256),
        _ => return None,
    };
    if ["2a", "2b", "2y"].contains(&version) { build(cost, salt, digest, before) } else { None }
}

fn parts<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split('$').collect::<Vec<_>>().try_into().ok()
}

fn build(cost: u32, salt: &str, digest: &str, before: Before) -> Option<Bcrypt> {
    let (salt, digest) = (encoding::bcrypt(salt)?, encoding::bcrypt(digest)?);
    (4..=31).contains(&cost).then_some(Bcrypt { cost, salt, digest, before })
}

impl Bcrypt {
    pub(super) fn kind(&self) -> &'static str {
        if matches!(self.before, Before::Nothing) { "bcrypt" } else { "bcrypt-sha256" }
    }

    pub(super) fn is_within(&self, bounds: &Bounds) -> bool {
        self.cost <= bounds.bcrypt_cost
    }

    /// The cost of a bcrypt hash without anything before it.
    pub(super) fn plain_cost(&self) -> Option<u32> {
        matches!(self.before, Before::Nothing).then_some(self.cost)
    }

    pub(super) fn verify(&self, password: &str) -> bool {
        let password = password.as_bytes();
        let sha256 = || digest(&SHA256, password);
        let mut input = Zeroizing::new(match &self.before {
            Before::Nothing => password.to_vec(),
            Before::HexSha256 => hex(sha256().as_ref()).into_bytes(),
            Before::Base64Sha256 => STANDARD.encode(sha256()).into_bytes(),
            Before::Base64Hmac { key } => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
                STANDARD.encode(hmac::sign(&key, password)).into_bytes()
            }
        });
        // A password that bcrypt would cut is wrong, after as much work as any other.
        let whole = input.len() <= BCRYPT_MAX_BYTES && !input.contains(&0);
        if !whole {
            input.clear();
        }
        input.push(0);
        let computed = Zeroizing::new(bcrypt::bcrypt(self.cost, self.salt, &input));
        computed.get(..self.digest.len()).is_some_and(|computed| equal(computed, &self.digest)) && whole
    }
}
