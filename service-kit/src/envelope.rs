//! What every response carries: a request id and `nosniff`. And what no request may do: take others down by a panic.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::ResponseError as _;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::Next;
use futures_util::FutureExt as _;
use ipnet::IpNet;
use uuid::Uuid;

use crate::problem::Problem;

tokio::task_local! {
    /// The id of the request that this task handles; every log line shows it.
    pub static REQUEST_ID: Rc<str>;
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID_CHARS: usize = 128;

/// Wraps every request: `App::new().wrap(from_fn(move |req, next| envelope.clone().wrap(req, next)))`.
#[derive(Debug, Clone, Default)]
pub struct Envelope {
    trusted_proxies: Arc<[IpNet]>,
}

impl Envelope {
    /// Only a peer in `trusted_proxies` may say what its request's id is.
    #[must_use]
    pub fn new(trusted_proxies: &[IpNet]) -> Self {
        Self { trusted_proxies: trusted_proxies.into() }
    }

    /// Handles one request.
    ///
    /// # Errors
    /// A panic, or an error of the app itself, as a finished response: it carries the headers as well.
    pub async fn wrap<B: MessageBody>(
        self,
        req: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<B>, actix_web::Error> {
        let id: Rc<str> = self.request_id(&req).into();
        let handled = AssertUnwindSafe(async { next.call(req).await }).catch_unwind();
        let answer = async {
            let mut failed = match handled.await {
                Ok(Ok(mut response)) => {
                    seal(response.headers_mut(), &id);
                    // The route, not the path: a client may have put a secret into that.
                    let route = response.request().match_pattern().unwrap_or_default();
                    log::debug!("{} {route} {}", response.request().method(), response.status());
                    return Ok(response);
                }
                Ok(Err(error)) => error.error_response(),
                Err(_) => {
                    log::error!("a handler panicked; the message stands above");
                    Problem::internal().error_response()
                }
            };
            seal(failed.headers_mut(), &id);
            Err(InternalError::from_response("the response is complete", failed).into())
        };
        REQUEST_ID.scope(id.clone(), answer).await
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an id for the logs: nothing depends on its time or its randomness"
    )]
    fn request_id(&self, req: &ServiceRequest) -> String {
        self.id_from_proxy(req).unwrap_or_else(|| Uuid::now_v7().to_string())
    }

    fn id_from_proxy(&self, req: &ServiceRequest) -> Option<String> {
        let peer = req.peer_addr()?.ip();
        let trusted = self.trusted_proxies.iter().any(|network| network.contains(&peer));
        let sent = req.headers().get(X_REQUEST_ID).filter(|_| trusted)?.to_str().ok()?;
        let plain = !sent.is_empty()
            && sent.len() <= MAX_REQUEST_ID_CHARS
            && sent.chars().all(|char| char.is_ascii_alphanumeric() || "-_.:".contains(char));
        plain.then(|| sent.to_owned())
    }
}

fn seal(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(X_REQUEST_ID, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
