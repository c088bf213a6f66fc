//! The claims of an access token: those of RFC 9068, and an application's custom claims.

pub(crate) mod custom;
pub(crate) mod standard;

pub use self::{
    custom::CustomClaims,
    standard::{Claims, Status, StatusReference},
};
