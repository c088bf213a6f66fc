//! For axum and other tower services: `AccessToken`, `OptionalToken` and `CustomClaims` as parameters of handlers,
//! [`RequireToken`] and [`PrivateAnswers`] as layers,
//! [`ResourceMetadata`](crate::http::ResourceMetadata) as a router.
//!
//! The router's state is a [`Verifier`](crate::Verifier) or contains one: `Verifier: FromRef<State>`. The layers work with any
//! service whose response bodies can be created from a `String`.

mod extract;
mod layer;
mod metadata;
mod request;
mod response;

pub use self::layer::{Marked, Required};
pub use crate::http::require::{OptionalToken, PathParams, PrivateAnswers, RequireToken};
