//! auth-service owns users and sessions, and signs the tokens that other services verify by themselves.
//!
//! `ARCHITECTURE.md` at the top of the repository is the map. In short: `http` translates, `domain` decides, `store`
//! remembers; `app` builds them from `settings`, and `cli` is for operators.

pub mod app;
pub mod cli;
pub mod domain;
mod http;
pub mod settings;
pub mod store;
