//! For actix-web: `AccessToken`, `OptionalToken` and `CustomClaims` as parameters of handlers,
//! [`RequireToken`] and [`PrivateAnswers`] as middleware,
//! [`ResourceMetadata`](crate::http::ResourceMetadata) as a service.
//!
//! Add the verifier to the app with `.app_data(verifier.clone())`, or as `web::Data`. A token whose key is known is verified
//! without a boxed future. Use `OptionalToken` instead of `Option<AccessToken>`, which would treat an invalid token as none.

mod extract;
mod metadata;
mod middleware;
mod request;
mod response;

pub use self::{
    extract::{Verification, Verified},
    middleware::{Marked, Required},
};
pub use crate::http::require::{OptionalToken, PathParams, PrivateAnswers, RequireToken};
