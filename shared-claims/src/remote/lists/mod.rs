//! The issuer's status lists: which ones are kept, when they are fetched, and how tokens are checked against them.

mod aggregation;
mod fetch;
pub(super) mod fetched;
pub(super) mod held;
pub(super) mod plan;
pub(super) mod requests;
pub(super) mod signed_list;
pub(crate) mod store;
mod tracked;
pub(super) mod worker;
