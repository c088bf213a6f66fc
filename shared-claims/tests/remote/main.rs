//! Keys, status lists, events and the snapshot, fetched from a server of the test, and what is logged about them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod aggregation;
mod credentials;
mod discovery;
mod events;
mod kept_lists;
mod keys;
mod lists;
mod log;
mod polling;
mod private_snapshot;
mod restored;
mod shared_cache;
mod snapshot;
mod status;
#[path = "../support/mod.rs"]
mod support;
