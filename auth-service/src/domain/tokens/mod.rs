//! Access tokens: their claims and size, which ones this service accepts, introspection and revocation.

pub mod access_token;
pub mod admission;
pub mod introspect;
pub mod revoke;
pub mod size;
pub mod size_warnings;
