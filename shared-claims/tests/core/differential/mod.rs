//! The differential test, with `PyJWT` as the other verifier.

mod json;
mod tables;
mod text;
mod tokens;
