//! resource-service shows how a service lives beside auth-service: it verifies access tokens by itself, takes a user's
//! rights from them alone, and never calls home on the path of a request. Its data is its own.
//!
//! `verifier` and `http` are what to copy; `store` and `books` are the data; `app` builds them all from `settings`.

pub mod app;
mod books;
pub mod error;
mod http;
mod metadata;
pub mod settings;
mod store;
mod tally;
mod verifier;

/// The program in the project's README, which has to compile as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
