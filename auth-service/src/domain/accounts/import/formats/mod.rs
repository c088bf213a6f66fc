//! Files of accounts, read one account after the other: memory does not grow with the file.

mod auth0;
pub mod format;
mod json;
mod keycloak;
mod lines;
pub mod record;
mod supabase;

pub use lines::read_line;
