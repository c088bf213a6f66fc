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

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError,
    http::{
        StatusCode,
        header::{
            AUTHORIZATION, COOKIE, HOST, HeaderName, HeaderValue, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
        },
        uri::Authority,
    },
};

pub use self::{
    extract::{Verification, Verified},
    middleware::{Marked, Required},
};
pub use crate::http::require::{OptionalToken, PathParams, PrivateAnswers, RequireToken};
use crate::{
    error::AuthError,
    http::{Answer, Field, Head},
};

const X_CSRF_TOKEN: HeaderName = HeaderName::from_static(Field::CsrfToken.name());

impl Head for HttpRequest {
    fn method(&self) -> &str {
        self.method().as_str()
    }

    fn query(&self) -> Option<&str> {
        self.uri().query()
    }

    fn authority(&self) -> Option<&str> {
        self.uri().authority().map(Authority::as_str)
    }

    fn values(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        let name = match field {
            Field::Authorization => AUTHORIZATION,
            Field::Cookie => COOKIE,
            Field::Host => HOST,
            Field::Origin => ORIGIN,
            Field::CsrfToken => X_CSRF_TOKEN,
        };
        self.headers().get_all(name).map(HeaderValue::as_bytes)
    }
}

impl ResponseError for AuthError {
    fn status_code(&self) -> StatusCode {
        status_of(&self.answer())
    }

    fn error_response(&self) -> HttpResponse {
        let answer = self.answer();
        let mut response = HttpResponseBuilder::new(status_of(&answer));
        if let Some(challenge) = answer.www_authenticate {
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        if let Some(seconds) = answer.retry_after {
            response.insert_header((RETRY_AFTER, seconds));
        }
        response.content_type("application/problem+json").body(answer.body)
    }
}

fn status_of(answer: &Answer) -> StatusCode {
    StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
