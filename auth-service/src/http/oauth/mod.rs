//! The OAuth endpoints: token, revocation, introspection, and the metadata.

pub(crate) mod client;
pub(crate) mod error;
pub(crate) mod introspect;
pub(crate) mod metadata;
pub(crate) mod parameters;
pub(crate) mod revoke;
pub(crate) mod token;
