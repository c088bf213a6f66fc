#![doc = include_str!("../README.md")]

#[cfg(feature = "actix")]
pub mod actix;
mod algorithm;
pub mod bearer;
mod cache;
mod claims;
mod clock;
mod error;
pub mod guard;
#[cfg(feature = "remote")]
mod inflate;
mod jws;
mod key_store;
mod keys;
mod observer;
mod policy;
mod readiness;
#[cfg(feature = "remote")]
mod remote;
#[cfg(feature = "remote")]
mod status;
mod strict;
mod token;
mod verifier;

#[cfg(feature = "remote")]
pub use remote::Remote;

pub use crate::{
    algorithm::{Algorithm, UnknownAlgorithm},
    bearer::{Answer, AuthError, Cause},
    claims::{Claims, Status, StatusReference},
    clock::{Clock, ManualClock},
    error::{KeySetError, Refusal, SetupError},
    guard::Denied,
    keys::KeySet,
    observer::Observer,
    policy::Policy,
    readiness::{Readiness, Revocations},
    token::{AccessToken, OwnClaims},
    verifier::Verifier,
};
