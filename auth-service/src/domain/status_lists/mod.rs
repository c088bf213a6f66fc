//! Revocation that reaches verifiers which never call: status lists, and the revisions that are published about them.
//!
//! Every session has a status list index, which its access tokens carry. What ends a session revokes the index in the same
//! transaction. Lists are computed from the database when a verifier asks, so that an answer is never older than the database,
//! and kept signed as long as nothing changes.

mod indexes;
mod latest_poll;
mod list_index;
mod lists;
mod places;
mod poll;
mod revisions;
mod revoke;
mod signed_list;
pub mod status_index;

pub use list_index::ListIndex;
pub use lists::{StatusListPolicy, StatusLists};
pub use places::{Listener, Place, PlaceLimits, Places};
pub use revisions::Revisions;
pub(in crate::domain) use revoke::revoke;
pub use signed_list::SignedList;
