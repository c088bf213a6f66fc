//! For tests: an issuer in the test's own process, a builder for tokens, and a corpus of forgeries that every verifier must
//! refuse.
//!
//! Enable the feature `testing` only in `dev-dependencies`: it lets this crate sign, and its RSA keys are public.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod attacks;
mod corpus;
mod forgery;
mod genuine;
mod issuer;
mod key;
mod list;
mod numbers;
mod odd_keys;
mod published;
mod rsa_keys;
mod token;
mod trial;

pub use self::{
    attacks::{Attack, Expect},
    forgery::{Forgery, Genuine, Headers},
    issuer::TestIssuer,
    key::TestKey,
    token::TestToken,
    trial::Breach,
};
