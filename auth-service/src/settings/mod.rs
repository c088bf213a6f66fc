//! The settings as types. `config.default.toml` says what each one means; `service_kit` reads the sources. Bounds of a value
//! are at its field, and `checks` has what settings must be to one another.

mod accounts;
mod audit;
mod checks;
mod choice;
mod cors;
mod database;
mod limits;
mod passwords;
mod renamed;
mod service;
mod tokens;

pub use accounts::{Accounts, Admin, Import, Registration, Role};
pub use audit::{Audit, Refreshes};
pub use cors::CorsSettings;
pub use database::{Cleanup, Database};
pub use limits::{ForwardedHeader, Limits, Rate, WrongPasswords};
pub use passwords::{Argon2id, HashBounds, Hashing, PasswordAlgorithm, Passwords};
pub use service::{DEFAULTS, Settings};
pub use tokens::{Keys, Sessions, StatusLists, Tokens};
