//! Sessions: how one begins, goes on and ends.

pub mod begin;
pub mod csrf;
pub mod login;
pub mod login_line;
pub mod login_name;
pub mod refresh;
pub mod session;
pub mod view;
