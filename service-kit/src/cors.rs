//! CORS: which pages of other origins may read answers, and send requests that a form could not (Fetch standard, section
//! 3.3).
//!
//! An origin is on the list exactly as the browser sends it, or its page gets no CORS header. Only pages on the list may use
//! cookies; paths marked with [`Path::for_any_page`](crate::routes::Path::for_any_page) may be read by any page, without
//! cookies. The allowed methods of a preflight come from the route table: its answer to `OPTIONS`, `405` with `Allow`, becomes
//! the answer to the preflight. A preflight of any other page is answered without CORS headers, and its origin is logged once:
//! a `405` would read as if the route did not exist, and no browser tells an operator which origin is missing from the list.
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

/// Headers that scripts may send, beside those of forms.
const ALLOWED_HEADERS: &str = "Authorization, Content-Type, X-CSRF-Token";
/// Headers that scripts may read, beside those that they always can.
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

/// How many unlisted origins are logged, and how many bytes of each: clients choose them.
const MOST_NAMED: usize = 64;
const LONGEST_NAMED: usize = 256;

impl Default for Cors {
    fn default() -> Self {
        Self::new(&[], Duration::ZERO)
    }
}

impl Cors {
    /// Allows pages of these origins, written as browsers send them. A browser may cache the answer to a preflight for
    /// `preflight_max_age`.
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

    /// Sets the name of the setting with the list, for the log.
    #[must_use]
    pub fn from_setting(self, setting: &'static str) -> Self {
        Self { setting, ..self }
    }

    /// Returns the origin of the request, if it is allowed.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut sent = headers.get_all(ORIGIN);
        let (Some(origin), None) = (sent.next(), sent.next()) else { return None };
        self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }

    /// Adds the CORS headers to an answer. Returns whether a page of another origin may read it.
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

    /// Turns the route table's answer to `OPTIONS` into the answer to an allowed preflight.
    fn allow<B>(&self, answer: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
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

    /// Logs, once for each origin, that its pages may not use this service.
    fn warn_about(&self, origin: &HeaderValue) {
        let origin = origin.as_bytes();
        let origin = &origin[..origin.len().min(LONGEST_NAMED)];
        // No code panics while it holds this lock.
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
            log::warn!(
                "{MOST_NAMED} origins that are not in {setting} were logged; further ones will not be"
            );
        }
    }
}

/// Returns the answer to a preflight, with the headers of the route table's answer to `OPTIONS`.
fn without_content<B>(answer: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
    let mut answer = answer.map_body(|_, _| EitherBody::right(BoxBody::new(())));
    *answer.response_mut().status_mut() = StatusCode::NO_CONTENT;
    answer.headers_mut().remove(CONTENT_TYPE);
    answer
}

/// Middleware around all others: `App::new().wrap(from_fn(cors::wrap))`.
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
                Some(_) if readable && has_route => Ok(cors.allow(answer)),
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

/// Warns of listed pages on this machine from which no browser sends the cookies of the service at `own`: to a browser,
/// `localhost` and `127.0.0.1` are different sites, and the cookies are `SameSite=Lax`.
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

/// Returns the site of a URL on this machine (HTML standard, section 7.1.1): an address, or the last two labels of a name.
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
    use super::*;

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
