//! Cookies, and how tokens are returned.

pub(crate) mod cookies;
pub(crate) mod token_response;
