//! An `AuthError` as a response of axum, or of another tower service.

use ::axum::{
    http::{
        HeaderValue, Response, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::IntoResponse,
};

use crate::http::bearer::AuthError;

impl IntoResponse for AuthError {
    fn into_response(self) -> ::axum::response::Response {
        response(&self)
    }
}

/// Returns the response, with any type of body.
pub(super) fn response<B: From<String>>(error: &AuthError) -> Response<B> {
    let answer = error.answer();
    let mut response = Response::new(answer.body.into());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    // It only has characters that RFC 6750 allows, all of which are valid in a header.
    if let Some(challenge) = answer.www_authenticate.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = answer.retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    response
}
