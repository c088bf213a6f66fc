//! The rules: accounts, authentication, sessions, tokens, keys. Nothing here knows HTTP, SQL or settings.

pub mod accounts;
pub mod audit;
pub mod authn;
pub mod change;
pub mod client_names;
pub mod clients;
pub mod clock;
pub mod entity_tag;
pub mod failure;
pub mod invalid;
pub mod keyring;
pub mod maintenance;
pub mod marks;
pub mod policy;
pub mod processes;
pub mod random;
pub mod rate;
pub mod readiness;
pub mod recovery;
pub mod sessions;
pub mod status_lists;
pub mod tokens;
