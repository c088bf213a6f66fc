//! Tokens, keys, claims, rules and the cache, without a network and a framework.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accepted;
mod answers;
mod cache;
mod claims;
mod differential;
mod forgeries;
mod keys;
mod properties;
mod remembered;
mod sources;
#[path = "../support/mod.rs"]
mod support;
mod test_kit;
