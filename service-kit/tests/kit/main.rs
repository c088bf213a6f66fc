//! Tests of service-kit through its public API. Tests that need a process of their own, because they change its limits, its
//! signals or its log, are in `tests/process`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![allow(unreachable_pub, reason = "a test program has no public items")]

mod bodies;
mod bounds;
mod client;
mod cors;
mod documents;
mod files;
mod healthchecks;
mod listening;
mod logged;
mod one_address;
mod panics;
mod protocols;
mod requests;
mod server;
mod settings;
mod slow_clients;
mod tls;
mod wire;
