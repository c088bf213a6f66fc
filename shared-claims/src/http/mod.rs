//! Tokens in requests and the responses to refusals, for any framework.
//!
//! [`Sources`] define where in a request a token is accepted, [`Head`] gives access to a request, [`Answer`] is the response
//! to a refusal (RFC 6750 section 3), and [`ResourceMetadata`] describes the service to clients (RFC 9728). The adapters for
//! actix-web and axum use these types, and so can an adapter for another framework.

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
