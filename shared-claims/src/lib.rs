#![doc = include_str!("../README.md")]

#[cfg(feature = "actix")]
pub mod actix;
mod algorithm;
#[cfg(feature = "axum")]
pub mod axum;
pub mod bearer;
mod cache;
mod claims;
mod clock;
mod cookie;
mod error;
pub mod guard;
#[cfg(feature = "remote")]
mod inflate;
mod jws;
mod key_store;
mod keys;
mod observer;
mod origin;
mod policy;
mod readiness;
#[cfg(feature = "remote")]
mod remote;
pub mod request;
#[cfg(any(feature = "actix", feature = "axum"))]
mod require;
mod resource_metadata;
mod sources;
#[cfg(feature = "remote")]
mod status;
mod strict;
#[cfg(feature = "testing")]
pub mod testing;
mod token;
mod verifier;

#[cfg(feature = "remote")]
pub use remote::Remote;
#[cfg(fuzzing)]
pub use remote::fuzzing;
#[cfg(any(feature = "actix", feature = "axum"))]
pub use require::{OptionalToken, PathParams, PrivateAnswers, RequireToken};

pub use crate::{
    algorithm::{Algorithm, UnknownAlgorithm},
    bearer::{Answer, AuthError, Cause},
    claims::{Claims, Status, StatusReference},
    clock::{Clock, ManualClock},
    cookie::CookieSource,
    error::{KeySetError, Refusal, SetupError},
    guard::Denied,
    keys::KeySet,
    observer::Observer,
    policy::Policy,
    readiness::{Readiness, Revocations},
    resource_metadata::ResourceMetadata,
    sources::{Sources, TokenSource},
    token::{AccessToken, OwnClaims},
    verifier::Verifier,
};
