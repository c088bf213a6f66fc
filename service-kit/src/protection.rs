//! The headers that every answer has (OWASP REST Security Cheat Sheet; ASVS 5, 3.4). A handler may have set one itself,
//! which then stands: a page needs another policy than JSON does.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CROSS_ORIGIN_RESOURCE_POLICY, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// What an answer gets unless it says otherwise.
static UNLESS_SET: [(HeaderName, HeaderValue); 5] = [
    // Nothing here is meant to be kept, unless its handler knows that it may be.
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    // No answer is a page: should a browser take one for a page, nothing in it runs, and nothing shows it in a frame.
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")), // the same for old browsers
    // Other origins embed nothing of it. Those that may read it ask by CORS, which this does not touch.
    (CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Adds what `headers` lack. `hsts` is for services that are reached by HTTPS (RFC 6797).
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
