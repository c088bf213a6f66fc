//! For actix-web: `AccessToken`, `OptionalToken` and `OwnClaims` as parameters of handlers,
//! [`RequireToken`] and [`PrivateAnswers`] as middleware,
//! [`ResourceMetadata`](crate::http::ResourceMetadata) as a service.
//!
//! Put the verifier into the app with `.app_data(verifier.clone())`, or as `web::Data`. A token whose key is
//! known is verified at once, without a boxed future. (`Option<AccessToken>` would take a bad token for none: that is
//! what `OptionalToken` is for.)

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
