//! The routes of the project's own clients: registration, login, the own account and its sessions.

pub(crate) mod account;
pub(crate) mod changes;
pub(crate) mod login;
pub(crate) mod password_policy;
pub(crate) mod sessions;
