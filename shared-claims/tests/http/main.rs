//! The adapters for actix-web and axum, which must give the same responses.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod actix_adapter;
mod axum_adapter;
mod forgeries_actix;
mod forgeries_axum;
mod frameworks;
mod path_params;
#[rustfmt::skip]
mod readme;
#[path = "../support/mod.rs"]
mod support;
