//! From a request to a token, and from a verdict to an answer, whatever the framework.
//!
//! [`Sources`] say where a token may stand, [`Head`] is what is asked about a request, [`Answer`] is what a client is told
//! (RFC 6750 section 3), [`ResourceMetadata`] is what clients ask first (RFC 9728). The adapters for
//! actix-web and axum are made of these, and so is one's own for another framework.

pub(crate) mod bearer;
pub(crate) mod cookie;
pub(crate) mod head;
mod origin;
pub(crate) mod request;
#[cfg(any(feature = "actix", feature = "axum"))]
pub(crate) mod require;
pub(crate) mod resource_metadata;
pub(crate) mod sources;

pub use self::{
    bearer::{Answer, token_in},
    cookie::CookieSource,
    head::{Field, Head},
    resource_metadata::ResourceMetadata,
    sources::{Sources, TokenSource},
};
