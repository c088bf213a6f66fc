//! resource-service is an example of a service beside auth-service: it verifies access tokens by itself, takes a user's rights
//! only from them, and calls no other service while it handles a request. It has its own data.
//!
//! `verifier` and `http` are the code to copy; `store` and `books` are the data; `app` builds all of them from `settings`.

pub mod app;
mod books;
mod counter;
pub mod error;
mod http;
mod metadata;
pub mod settings;
mod store;
mod verifier;

/// Compiles the program in the project's README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
