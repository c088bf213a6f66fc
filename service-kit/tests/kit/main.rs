//! What the kit does for a service, tested through its public door. Tests that need a process of their own, because they
//! change its limits, its signals or its log, are binaries beside this one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![allow(unreachable_pub, reason = "a test program has no public items")]

mod bodies;
mod client;
mod documents;
mod files;
mod logged;
mod one_address;
mod panics;
mod protocols;
mod server;
mod settings;
mod slow_clients;
mod wire;
