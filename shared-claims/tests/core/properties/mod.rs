//! Properties of every text, token, clock, request, rule and key set.

mod keys;
mod requests;
mod rules;
mod shared;
mod strategies;
mod tokens;
