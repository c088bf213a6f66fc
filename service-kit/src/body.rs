//! The bodies of requests: their media type, their size, and the time that they may take.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use actix_web::web::{Bytes, Payload};
use actix_web::{FromRequest as _, HttpMessage, HttpRequest, dev};

use crate::problem::Problem;

/// Bounds of a body. [`App::listen`](crate::App::listen) puts those of the settings into the app's data.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// The largest size.
    pub max_bytes: usize,
    /// The longest time from the request's head to the last byte of its body.
    pub timeout: Duration,
}

impl BodyLimits {
    /// Returns the bounds for a request, as its app has them.
    #[must_use]
    pub fn of(req: &HttpRequest) -> Self {
        let default = Self { max_bytes: 32 << 10, timeout: Duration::from_secs(10) };
        req.app_data::<Self>().copied().unwrap_or(default)
    }
}

/// Checks that the body is said to be of this media type, in UTF-8 and not compressed (RFC 8259 section 8.1).
///
/// # Errors
/// `415`.
pub fn require_media_type(req: &HttpRequest, expected: &'static str) -> Result<(), Problem> {
    let unsupported =
        |detail: String| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail);
    if req.headers().contains_key(CONTENT_ENCODING) {
        return Err(unsupported("A compressed body is not accepted.".to_owned()));
    }
    let media_type = req.mime_type().ok().flatten();
    let is_expected = media_type.is_some_and(|mime| {
        mime.essence_str() == expected && mime.get_param("charset").is_none_or(|charset| charset == "utf-8")
    });
    if is_expected { Ok(()) } else { Err(unsupported(format!("The body must be {expected}, in UTF-8."))) }
}

/// Reads the whole body.
///
/// # Errors
/// `413` when it is too large, `408` when it does not arrive in time, `400` when the connection breaks off.
pub fn read_body(
    req: &HttpRequest,
    payload: &mut dev::Payload,
    limits: BodyLimits,
) -> impl Future<Output = Result<Bytes, Problem>> + use<> {
    let announced = req.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let too_large =
        || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large.");
    let payload = Payload::from_request(req, payload);
    async move {
        if announced.is_some_and(|length: u64| length > limits.max_bytes as u64) {
            return Err(too_large());
        }
        let unreadable = |_| Problem::malformed("The body could not be read.");
        let body = payload.await.map_err(unreadable)?.to_bytes_limited(limits.max_bytes);
        match tokio::time::timeout(limits.timeout, body).await {
            Ok(Ok(read)) => read.map_err(unreadable),
            Ok(Err(_)) => Err(too_large()),
            Err(_) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "request_timeout",
                "The body did not arrive in time.",
            )),
        }
    }
}
