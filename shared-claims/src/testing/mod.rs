//! For tests: an issuer in the test's own process, tokens in words, and the forgeries that every verifier must refuse.
//!
//! Turn the feature `testing` on for dev-dependencies alone: with it this crate can sign, and its RSA keys are published.

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
