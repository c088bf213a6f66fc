//! The snapshot: keys and status lists in a file, so that a service that starts while the issuer is unreachable can verify
//! tokens.

mod format;
pub(super) mod keeper;
mod private_file;
