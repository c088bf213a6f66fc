//! auth-service through its public door: every test starts a service of its own and talks HTTP with it. Each runs twice:
//! `tests/sqlite.rs` and `tests/postgresql.rs` both include this folder.

#![allow(unreachable_pub, reason = "a test program has no public items")]
mod admin;
mod bad_input;
mod cleanup;
mod discovery;
mod login;
mod logout;
mod refresh;
mod register;
mod replicas;
mod store;
mod support;
mod tokens;
