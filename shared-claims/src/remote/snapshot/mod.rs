//! The snapshot: what was fetched, kept in a file.

mod format;
pub(super) mod keeper;
mod private_file;
