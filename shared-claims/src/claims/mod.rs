//! What an access token says: the claims of RFC 9068, and an application's own.

pub(crate) mod custom;
pub(crate) mod standard;

pub use self::{
    custom::OwnClaims,
    standard::{Claims, Status, StatusReference},
};
