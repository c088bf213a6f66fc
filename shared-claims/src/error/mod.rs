//! The errors: refusals of tokens, each with a stable code, and errors in a configuration.
//!
//! The codes are for logs and metrics. Responses to clients say less: see [`Answer`](crate::http::Answer).

pub(crate) mod refusal;
pub(crate) mod setup;

pub use self::{
    refusal::Refusal,
    setup::{KeySetError, SetupError},
};
pub use crate::{
    algorithm::UnknownAlgorithm,
    http::bearer::{AuthError, Cause},
};
