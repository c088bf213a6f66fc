#![cfg_attr(any(not(doctest), all(feature = "actix", feature = "axum", feature = "testing")), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))] // docs.rs shows which feature an item needs

#[cfg(feature = "actix")]
pub mod actix;
mod algorithm;
#[cfg(feature = "axum")]
pub mod axum;
mod cache;
pub mod claims;
mod clock;
pub mod error;
mod faults;
pub mod guard;
pub mod http;
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
mod shown;
#[cfg(feature = "remote")]
mod status;
mod strict;
#[cfg(feature = "testing")]
pub mod testing;
mod token;
pub mod verifier;

#[cfg(feature = "remote")]
pub use remote::Remote;
#[cfg(fuzzing)]
pub use remote::fuzzing;

pub use crate::{policy::Policy, token::AccessToken, verifier::Verifier};
