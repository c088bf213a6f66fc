//! The corpus of forgeries.

mod algorithm;
mod binding;
mod claims;
mod form;
mod header;
mod json;
mod key_id;
mod original;
mod request;
mod signature;
pub(super) mod table;
mod tampering;
