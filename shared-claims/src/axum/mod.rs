//! For axum and other tower services: `AccessToken`, `OptionalToken` and `OwnClaims` as parameters of handlers,
//! [`RequireToken`] and [`PrivateAnswers`] as layers,
//! [`ResourceMetadata`](crate::http::ResourceMetadata) as a router.
//!
//! The router's state is a [`Verifier`](crate::Verifier), or has one: `Verifier: FromRef<State>`. The layers are for any
//! service whose responses can be made of a `String`.

mod extract;
mod layer;
mod metadata;

use ::axum::{
    http::{
        HeaderName, HeaderValue, Response, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE},
        request::Parts,
        uri::Authority,
    },
    response::IntoResponse,
};

pub use self::layer::{Marked, Required};
pub use crate::http::require::{OptionalToken, PathParams, PrivateAnswers, RequireToken};
use crate::{
    error::AuthError,
    http::{Field, Head},
};

const X_CSRF_TOKEN: HeaderName = HeaderName::from_static(Field::CsrfToken.name());

impl Head for Parts {
    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    fn authority(&self) -> Option<&str> {
        self.uri.authority().map(Authority::as_str)
    }

    fn values(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        let name = match field {
            Field::Authorization => AUTHORIZATION,
            Field::Cookie => COOKIE,
            Field::Host => HOST,
            Field::Origin => ORIGIN,
            Field::CsrfToken => X_CSRF_TOKEN,
        };
        self.headers.get_all(name).into_iter().map(HeaderValue::as_bytes)
    }
}

impl IntoResponse for AuthError {
    fn into_response(self) -> ::axum::response::Response {
        response(&self)
    }
}

/// The answer, in a body of any framework's.
fn response<B: From<String>>(error: &AuthError) -> Response<B> {
    let answer = error.answer();
    let mut response = Response::new(answer.body.into());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    // Only characters that RFC 6750 allows are in it, and all of those may stand in a header.
    if let Some(challenge) = answer.www_authenticate.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = answer.retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    response
}
