//! The issuer's status lists: which ones are kept, when they are fetched, and what tokens are judged by.

mod directory;
mod fetch;
pub(super) mod fetched;
pub(super) mod held;
pub(super) mod plan;
pub(super) mod requests;
pub(super) mod signed_list;
pub(crate) mod store;
mod tracked;
pub(super) mod worker;
