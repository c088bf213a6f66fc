//! The keys of an issuer, by their ids.

pub(crate) mod key_set;
#[cfg(test)]
mod wycheproof;
