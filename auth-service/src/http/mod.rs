//! HTTP: the route table (`routes`), handlers by capability, and the one place where failures become answers (`error`).

pub(crate) mod admin;
pub(crate) mod browser;
mod error;
mod first_party;
mod health;
mod index;
pub(crate) mod oauth;
pub(crate) mod request;
pub(crate) mod routes;
pub(crate) mod status_lists;
