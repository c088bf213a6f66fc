//! The bearer token of a request (RFC 6750 section 2.1).

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use shared_claims::{error::Cause, http::token_in};

/// Returns the token in the `Authorization` header.
pub(in crate::http) fn bearer_token(req: &HttpRequest) -> Result<&str, Cause> {
    token_in(req.headers().get_all(AUTHORIZATION).map(HeaderValue::as_bytes))
}
