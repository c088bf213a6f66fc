//! resource-service shows how a service lives beside auth-service: it verifies access tokens by itself, takes a user's
//! rights from them alone, and never calls home on the path of a request. Its data is its own.
//!
//! `http` holds the routes and is what to copy; `store` and `books` are the data; `app` builds them from `settings`.

pub mod app;
mod books;
mod http;
pub mod settings;
mod store;
