//! For axum and other tower services: `AccessToken`, `OptionalToken` and `OwnClaims` as parameters of handlers,
//! [`RequireToken`] and [`PrivateAnswers`] as layers,
//! [`ResourceMetadata`](crate::http::ResourceMetadata) as a router.
//!
//! The router's state is a [`Verifier`](crate::Verifier), or has one: `Verifier: FromRef<State>`. The layers are for any
//! service whose responses can be made of a `String`.

mod extract;
mod layer;
mod metadata;
mod request;
mod response;

pub use self::layer::{Marked, Required};
pub use crate::http::require::{OptionalToken, PathParams, PrivateAnswers, RequireToken};
