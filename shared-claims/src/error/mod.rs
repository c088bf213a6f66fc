//! Why a token was refused, and what can be wrong with a set-up; each refusal with a stable code.
//!
//! The codes are for logs and metrics. Clients are told less: see [`Answer`](crate::http::Answer).

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
