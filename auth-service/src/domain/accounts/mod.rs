//! Accounts: registration, changes by their owners and by operators, names, addresses, roles, import.

pub mod address_check;
pub mod addresses;
pub mod change;
pub mod import;
pub mod list;
pub mod name_rules;
pub mod names;
pub mod operators;
pub mod register;
pub mod roles;
pub mod use_cases;
pub mod usernames;
pub mod view;
