//! Which pages of other origins may read answers, and ask for more than a form could (the CORS protocol: Fetch standard,
//! section 3.3).
//!
//! An origin is on the list to the letter, or it gets no such header at all. Only pages on the list may use cookies; what
//! [`Path::for_any_page`](crate::routes::Path::for_any_page) marks is for everybody, and without cookies. What a preflight
//! may promise is what the route table has: `OPTIONS` is answered there with `405` and `Allow`, and that becomes the answer. A
//! preflight of any other page is answered without a promise, and the log names its origin once: a `405` reads as if the route
//! did not exist, and an operator learns from no browser which origin is missing from the list.
//!
//! `actix-cors` is not used because it sends `Access-Control-Allow-Credentials` to every origin, answers refused preflights
//! in plain text, and has one list of methods for all routes.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
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
use url::{Host, Url};

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
    setting: &'static str,
    refused: Arc<Mutex<HashSet<Vec<u8>>>>,
}

/// How many unlisted origins the log names, and how long each may be: clients choose them.
const MOST_NAMED: usize = 64;
const LONGEST_NAMED: usize = 256;

impl Default for Cors {
    fn default() -> Self {
        Self::new(&[], Duration::ZERO)
    }
}

impl Cors {
    /// Allows pages of these origins, written as browsers do; a browser may remember for so long what it was promised.
    #[must_use]
    pub fn new(origins: &[String], preflight_max_age: Duration) -> Self {
        let preflight_max_age = preflight_max_age.as_secs().into();
        Self {
            origins: origins.into(),
            preflight_max_age,
            setting: "cors.allowed_origins",
            refused: Arc::default(),
        }
    }

    /// Calls the list by this name in the log.
    #[must_use]
    pub fn from_setting(self, setting: &'static str) -> Self {
        Self { setting, ..self }
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
        let mut answer = without_content(answer);
        let headers = answer.headers_mut();
        headers.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
        if let Some(methods) = headers.remove(ALLOW).next() {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
        headers.insert(ACCESS_CONTROL_MAX_AGE, self.preflight_max_age.clone());
        answer
    }

    /// Warns, once for each origin, of a page that may not use this service.
    fn warn_about(&self, origin: &HeaderValue) {
        let origin = origin.as_bytes();
        let origin = &origin[..origin.len().min(LONGEST_NAMED)];
        // The set is whole at any time.
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= MOST_NAMED || !refused.insert(origin.to_vec()) {
            return;
        }
        let (setting, named) = (self.setting, refused.len());
        drop(refused);
        log::warn!(
            "a page of {:?} may not use this service: its origin is not in {setting}",
            String::from_utf8_lossy(origin)
        );
        if named == MOST_NAMED {
            log::warn!("{MOST_NAMED} origins that are not in {setting} have been named, and no more are");
        }
    }
}

/// The answer to a preflight, with the headers of the route table's answer to `OPTIONS`.
fn without_content<B>(answer: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
    let mut answer = answer.map_body(|_, _| EitherBody::right(BoxBody::new(())));
    *answer.response_mut().status_mut() = StatusCode::NO_CONTENT;
    answer.headers_mut().remove(CONTENT_TYPE);
    answer
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
    let is_preflight =
        req.method() == Method::OPTIONS && req.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let asking = req.headers().get(ORIGIN).filter(|_| is_preflight).cloned();
    match next.call(req).await {
        Ok(mut answer) => {
            let readable = Cors::mark(answer.headers_mut(), origin);
            let has_route = answer.status() == StatusCode::METHOD_NOT_ALLOWED;
            match asking {
                Some(_) if readable && has_route => Ok(cors.promise(answer)),
                Some(asking) if has_route => {
                    cors.warn_about(&asking);
                    Ok(without_content(answer))
                }
                _ => Ok(answer.map_into_left_body()),
            }
        }
        Err(error) => {
            let mut failed = error.error_response();
            Cors::mark(failed.headers_mut(), origin);
            Err(InternalError::from_response("the response is complete", failed).into())
        }
    }
}

/// Warns of listed pages on this machine to which no browser sends the cookies of the service at `own`: for browsers, `localhost`
/// and `127.0.0.1` are different sites, and the cookies are `SameSite=Lax`.
pub fn warn_of_other_sites(setting: &str, origins: &[String], own: &str) {
    for origin in on_other_loopback_sites(origins, own) {
        log::warn!(
            "{setting}: {origin} and {own} are different sites to a browser, so pages there send no cookies here: use one \
             name, localhost or 127.0.0.1, for both"
        );
    }
}

fn on_other_loopback_sites<'o>(origins: &'o [String], own: &str) -> Vec<&'o str> {
    let Some(own) = loopback_site(own) else { return Vec::new() };
    let other = |origin: &&str| loopback_site(origin).is_some_and(|site| site != own);
    origins.iter().map(String::as_str).filter(other).collect()
}

/// The site of a URL on this machine (HTML standard, section 7.1.1): an address, or the last two labels of a name.
fn loopback_site(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host()?;
    let labels: Vec<&str> = url.host_str()?.rsplit('.').collect();
    let is_loopback = match host {
        Host::Domain(_) => labels.first() == Some(&"localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let site = match host {
        Host::Domain(_) => labels.iter().take(2).rev().copied().collect::<Vec<_>>().join("."),
        address => address.to_string(),
    };
    is_loopback.then_some(site)
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

    #[test]
    fn names_of_this_machine_are_different_sites() {
        let origins: Vec<String> = [
            "http://localhost:5173",
            "http://127.0.0.1:5173",
            "http://[::1]:5173",
            "http://app.localhost",
            "https://app.example.com",
        ]
        .map(str::to_owned)
        .into();
        let others = |own| on_other_loopback_sites(&origins, own);
        assert_eq!(others("http://127.0.0.1:8080"), [origins[0].as_str(), &origins[2], &origins[3]]);
        assert_eq!(others("http://localhost:8080/auth"), [origins[1].as_str(), &origins[2], &origins[3]]);
        assert_eq!(others("http://auth.app.localhost"), [origins[0].as_str(), &origins[1], &origins[2]]);
        assert_eq!(others("https://auth.example.com"), Vec::<&str>::new());
    }
}
