//! The issuer's key set: when it is fetched, and who waits for it.

pub(super) mod requests;
pub(super) mod worker;
