//! Which pages of other origins may read answers, and ask for more than a form could (the CORS protocol: Fetch standard,
//! section 3.3).
//!
//! An origin is on the list to the letter, or it gets no such header at all. Only pages on the list may use cookies; what
//! [`Path::for_any_page`](crate::routes::Path::for_any_page) marks is for everybody, and without cookies. What a preflight
//! may promise is what the route table has: `OPTIONS` is answered there with `405` and `Allow`, and that becomes the answer.
//!
//! `actix-cors` is not used because it sends `Access-Control-Allow-Credentials` to every origin, answers refused preflights
//! in plain text, and has one list of methods for all routes.

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;

/// What scripts may send beside what forms can.
const ALLOWED_HEADERS: &str = "Authorization, Content-Type, X-CSRF-Token";
/// What scripts may read beside what they always can.
const EXPOSED_HEADERS: &str =
    "RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-CSRF-Token, X-Request-Id";

/// The origins whose pages may use a service from a browser. In the app's data; without it there are none.
#[derive(Debug, Clone)]
pub struct Cors {
    origins: Arc<[String]>,
    preflight_max_age: HeaderValue,
}

impl Default for Cors {
    fn default() -> Self {
        Self::new(&[], Duration::ZERO)
    }
}

impl Cors {
    /// Allows pages of these origins, written as browsers do; a browser may remember for so long what it was promised.
    #[must_use]
    pub fn new(origins: &[String], preflight_max_age: Duration) -> Self {
        Self { origins: origins.into(), preflight_max_age: preflight_max_age.as_secs().into() }
    }

    /// The request's origin, if it is one and allowed.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut sent = headers.get_all(ORIGIN);
        let (Some(origin), None) = (sent.next(), sent.next()) else { return None };
        self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }

    /// Says in an answer who may read it; `true` if a page of another origin may.
    fn mark(headers: &mut HeaderMap, origin: Option<HeaderValue>) -> bool {
        if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return true; // for any page
        }
        headers.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = origin else { return false };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
        true
    }

    /// Makes the route table's answer to `OPTIONS` one to a preflight.
    fn promise<B>(&self, answer: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
        let mut answer = answer.map_body(|_, _| EitherBody::right(BoxBody::new(())));
        *answer.response_mut().status_mut() = StatusCode::NO_CONTENT;
        let headers = answer.headers_mut();
        headers.remove(CONTENT_TYPE);
        headers.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
        if let Some(methods) = headers.remove(ALLOW).next() {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
        headers.insert(ACCESS_CONTROL_MAX_AGE, self.preflight_max_age.clone());
        answer
    }
}

/// Wraps every request: `App::new().wrap(from_fn(cors::wrap))`, around all that answers.
///
/// # Errors
/// An error of the app, as a finished response: it carries the headers as well.
pub async fn wrap<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let cors = req.app_data::<Cors>().cloned().unwrap_or_default();
    let origin = cors.allowed(req.headers());
    let preflight = req.method() == Method::OPTIONS
        && req.headers().contains_key(ORIGIN)
        && req.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    match next.call(req).await {
        Ok(mut answer) => {
            let readable = Cors::mark(answer.headers_mut(), origin);
            let has_route = answer.status() == StatusCode::METHOD_NOT_ALLOWED;
            if preflight && readable && has_route {
                Ok(cors.promise(answer))
            } else {
                Ok(answer.map_into_left_body())
            }
        }
        Err(error) => {
            let mut failed = error.error_response();
            Cors::mark(failed.headers_mut(), origin);
            Err(InternalError::from_response("the response is complete", failed).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, HttpResponse, web};

    use super::*;

    const APP: &str = "https://app.example.com";

    #[actix_web::test]
    async fn without_a_list_no_page_of_another_origin_reads_anything() {
        let app = App::new().route("/", web::get().to(HttpResponse::Ok)).wrap(from_fn(wrap));
        let app = init_service(app).await;
        for origin in [APP, "null", "", "*"] {
            let request = TestRequest::get().insert_header((ORIGIN, origin)).to_request();
            let answer = call_service(&app, request).await;
            assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), "{origin}");
            assert_eq!(answer.headers().get(VARY).unwrap(), "Origin");
        }
    }
}
