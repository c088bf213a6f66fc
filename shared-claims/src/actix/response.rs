//! An `AuthError` as a response of actix-web.

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{
        StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
};

use crate::http::bearer::{Answer, AuthError};

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
