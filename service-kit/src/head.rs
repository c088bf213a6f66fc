//! Checks of the head of a request before any handler: its size, and fields and parameters that must not be repeated.
//!
//! actix-http refuses messages that are ambiguous on the wire (two lengths, a length and chunks, no `Host` or two, white space
//! before a colon) with `400`, and closes the connection. These checks are for what it accepts.

use std::collections::HashSet;

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_RANGE, IF_UNMODIFIED_SINCE, ORIGIN, PROXY_AUTHORIZATION, RANGE, REFERER,
    USER_AGENT, WWW_AUTHENTICATE,
};
use url::form_urlencoded;

use crate::problem::Problem;

/// Bounds of a head. Before that, actix-http bounds its memory: 128 KiB and 96 lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadLimits {
    /// Bytes of the target: path and query.
    pub(crate) target_bytes: usize,
    /// Bytes of the names and values of all header lines.
    pub(crate) header_bytes: usize,
    /// Header lines.
    pub(crate) header_lines: usize,
}

/// Fields that have one value (RFC 9110 section 5.3): of two lines, this service could read one and a proxy the other.
/// actix-http refuses repeated `Content-Length`, `Host` and `Transfer-Encoding`. Lists, such as `Accept` and
/// `X-Forwarded-For`, may come in several lines, which means the same as one line with commas.
static SINGLE: [HeaderName; 16] = [
    AUTHORIZATION,
    CONTENT_ENCODING, // a list by its RFC; here every value is refused
    CONTENT_TYPE,
    COOKIE, // RFC 6265 section 5.4
    IF_MODIFIED_SINCE,
    IF_RANGE,
    IF_UNMODIFIED_SINCE,
    ORIGIN,
    PROXY_AUTHORIZATION,
    RANGE,
    REFERER,
    USER_AGENT,
    HeaderName::from_static("dpop"), // RFC 9449 section 4.3
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("x-csrf-token"),
    HeaderName::from_static("x-request-id"),
];

/// Checks a head. `name` is the name of the service, for the challenge of RFC 6750.
///
/// # Errors
/// `414` or `431` if the head is too large; `400` if a field or parameter is repeated.
pub(crate) fn check(req: &ServiceRequest, limits: HeadLimits, name: &str) -> Result<(), Problem> {
    check_size(req, limits)?;
    check_fields(req.headers(), name)?;
    check_query(req.query_string(), name)
}

fn check_size(req: &ServiceRequest, limits: HeadLimits) -> Result<(), Problem> {
    let target = req.uri().path().len() + req.query_string().len();
    if target > limits.target_bytes {
        return Err(Problem::new(StatusCode::URI_TOO_LONG, "target_too_long", "The URL is too long."));
    }
    let lines = req.headers().len();
    let bytes: usize = req.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if lines > limits.header_lines || bytes > limits.header_bytes {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Problem::new(status, "headers_too_large", "The headers are too many or too large."));
    }
    Ok(())
}

fn check_fields(headers: &HeaderMap, name: &str) -> Result<(), Problem> {
    if headers.len() == headers.len_keys() {
        return Ok(()); // no field is repeated
    }
    match SINGLE.iter().find(|field| headers.get_all(*field).nth(1).is_some()) {
        None => Ok(()),
        Some(field) if *field == AUTHORIZATION => {
            Err(several_tokens(name, "Send one Authorization header with one token"))
        }
        Some(field) => {
            let detail = format!("The header {field} is repeated.");
            Err(Problem::new(StatusCode::BAD_REQUEST, "repeated_header", detail))
        }
    }
}

fn check_query(query: &str, name: &str) -> Result<(), Problem> {
    let mut names = HashSet::new();
    let mut parameters = form_urlencoded::parse(query.as_bytes()).map(|(parameter, _)| parameter);
    match parameters.find(|parameter| !names.insert(parameter.clone())) {
        None => Ok(()),
        Some(repeated) if repeated == "access_token" => {
            Err(several_tokens(name, "Send one token, in one place"))
        }
        Some(_) => Err(Problem::malformed_query("A parameter of the query is repeated.")),
    }
}

/// Returns the problem for two tokens in a request (RFC 6750 section 3.1), as shared-claims answers it.
fn several_tokens(name: &str, detail: &'static str) -> Problem {
    let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid_request", detail);
    let challenge =
        format!(r#"Bearer realm="{name}", error="invalid_request", error_description="{detail}""#);
    match HeaderValue::try_from(challenge) {
        Ok(challenge) => problem.with_header(WWW_AUTHENTICATE, challenge),
        Err(_) => problem, // never: the name of a service is plain
    }
}
