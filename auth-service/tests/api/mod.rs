//! auth-service through its public door: every test starts a service of its own and talks HTTP with it. Each runs twice:
//! `tests/sqlite.rs` and `tests/postgresql.rs` both include this folder.

#![allow(unreachable_pub, reason = "a test program has no public items")]
mod account_changes;
mod admin;
mod administrators;
mod at_rest;
mod attempt_budget;
mod audit;
mod audit_attacks;
mod audit_proof;
mod bad_input;
mod browser;
mod cleanup;
mod clients;
mod clock;
mod cookies;
mod cors;
mod csrf;
mod discovery;
mod fairness;
mod foreign_hashes;
mod guessing;
mod import;
mod introspection;
mod keys;
mod login;
mod logout;
mod my_sessions;
mod refresh;
mod register;
mod replicas;
mod revocation;
mod revoke;
mod stand_in;
mod status_lists;
mod store;
mod support;
mod timing;
mod tokens;
mod tricks;
mod unwritten;
mod wire;
