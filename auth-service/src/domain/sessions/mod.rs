//! Sessions: how one begins, goes on and ends.

pub mod begin;
pub mod csrf;
pub mod device;
pub mod login;
pub mod login_line;
pub mod login_name;
pub mod new_session;
pub mod refresh;
pub mod refresh_rows;
pub mod session;
pub mod view;
