//! Tests of resource-service over HTTP, beside a real auth-service. Every test starts its own two services.

#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test that cannot go on has failed, and exports nothing"
)]

mod availability;
mod bad_input;
mod books;
mod comments;
mod credentials;
mod log_bounds;
mod records;
mod revocation;
mod rights;
mod snapshot;
mod sources;
mod start;
mod storage;
mod support;
mod tokens;
mod whole_path;
mod wire;
