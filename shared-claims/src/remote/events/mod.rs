//! The issuer's event stream.

pub(super) mod parser;
pub(super) mod stream;
