//! Security headers of every answer (OWASP REST Security Cheat Sheet; ASVS 5, 3.4). A header that a handler has set stays: a
//! page needs another policy than JSON.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CROSS_ORIGIN_RESOURCE_POLICY, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// Headers that are added unless the handler has set them.
static UNLESS_SET: [(HeaderName, HeaderValue); 5] = [
    // No answer may be stored unless its handler allows it.
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    // No answer is a page: if a browser renders one, nothing in it runs, and no frame shows it.
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")), // the same for old browsers
    // Other origins cannot embed it. Those that may read it use CORS, which this does not affect.
    (CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Adds the missing headers. `hsts` is for services that are reached by HTTPS (RFC 6797).
pub(crate) fn protect(headers: &mut HeaderMap, hsts: Option<&HeaderValue>) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, value) in &UNLESS_SET {
        if !headers.contains_key(name) {
            headers.insert(name.clone(), value.clone());
        }
    }
    if let Some(value) = hsts {
        headers.insert(STRICT_TRANSPORT_SECURITY, value.clone());
    }
}
