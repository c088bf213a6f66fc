//! The issuer's key set: when it is fetched, and how requests wait for it.

pub(super) mod requests;
pub(super) mod worker;
