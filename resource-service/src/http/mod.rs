//! The HTTP interface.

mod admin;
mod books;
mod comments;
mod error;
mod health;
mod index;
mod paging;
mod protected;
mod records;
mod routes;
mod text;

pub(crate) use health::MinFree;
pub(crate) use routes::routes;
