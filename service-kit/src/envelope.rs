//! The middleware around every handler: gives each response a request id and the headers of `protection`, refuses ambiguous
//! heads, and answers a panic with `500`.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, Version};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError as _};
use futures_util::FutureExt as _;
use ipnet::IpNet;
use uuid::Uuid;

use crate::activity::{Activity, Answered};
use crate::head::{self, HeadLimits};
use crate::peer::Peer;
use crate::problem::Problem;
use crate::protection::protect;

tokio::task_local! {
    /// The id of the request that this task handles. Log lines contain it.
    pub static REQUEST_ID: Rc<str>;
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID_CHARS: usize = 128;

/// Turns the problem of a request that was refused before its handler into the answer. The OAuth endpoints have a form of
/// their own.
pub type Refusal = fn(path: &str, Problem) -> HttpResponse;

/// The middleware: `App::new().wrap(from_fn(move |req, next| envelope.clone().wrap(req, next)))`.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    /// Peers whose `X-Request-Id` is kept.
    pub(crate) trusted_proxies: Arc<[IpNet]>,
    pub(crate) limits: HeadLimits,
    pub(crate) hsts: Option<HeaderValue>,
    /// The name of the service.
    pub(crate) name: &'static str,
    pub(crate) refusal: Refusal,
}

impl Envelope {
    /// Handles one request.
    ///
    /// # Errors
    /// A panic, a refused head, or an error of the app itself, as a complete response with the same headers.
    pub(crate) async fn wrap<B: MessageBody>(
        self,
        req: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<Answered<B>>, actix_web::Error> {
        let answering = req.conn_data::<Activity>().map(Activity::begin);
        let id: Rc<str> = self.request_id(&req).into();
        let handled = AssertUnwindSafe(self.handle(req, next)).catch_unwind();
        let answer = async {
            let mut failed = match handled.await {
                Ok(Ok(mut response)) => {
                    self.seal(response.headers_mut(), &id);
                    // The route, not the path, in which a client may have put a secret.
                    let route = response.request().match_pattern().unwrap_or_default();
                    log::debug!("{} {route} {}", response.request().method(), response.status());
                    let head_alone = response.request().method() == Method::HEAD;
                    if response.request().version() < Version::HTTP_11 {
                        end_by_closing(&mut response);
                    }
                    return Ok(response.map_body(|_, body| match body.size() {
                        BodySize::Stream if head_alone => Answered::without_body(),
                        _ => Answered::new(body, answering),
                    }));
                }
                Ok(Err(error)) => error.error_response(),
                Err(_) => {
                    log::error!("a handler panicked: see the line above");
                    Problem::internal().error_response()
                }
            };
            self.seal(failed.headers_mut(), &id);
            Err(complete(failed))
        };
        REQUEST_ID.scope(id.clone(), answer).await
    }

    async fn handle<B: MessageBody>(
        &self,
        req: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<B>, actix_web::Error> {
        match head::check(&req, self.limits, self.name) {
            Ok(()) => next.call(req).await,
            Err(problem) => Err(complete((self.refusal)(req.path(), problem))),
        }
    }

    fn seal(&self, headers: &mut HeaderMap, id: &str) {
        if let Ok(value) = HeaderValue::from_str(id) {
            headers.insert(X_REQUEST_ID, value);
        }
        protect(headers, self.hsts.as_ref());
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an id for the logs: nothing depends on its time or its randomness"
    )]
    fn request_id(&self, req: &ServiceRequest) -> String {
        self.id_from_proxy(req).unwrap_or_else(|| Uuid::now_v7().to_string())
    }

    fn id_from_proxy(&self, req: &ServiceRequest) -> Option<String> {
        let trusted = Peer::of(req.request())?.is_trusted(&self.trusted_proxies, req.headers());
        let sent = req.headers().get(X_REQUEST_ID).filter(|_| trusted)?.to_str().ok()?;
        let plain = !sent.is_empty()
            && sent.len() <= MAX_REQUEST_ID_CHARS
            && sent.chars().all(|char| char.is_ascii_alphanumeric() || "-_.:".contains(char));
        plain.then(|| sent.to_owned())
    }
}

/// Ends an answer of unknown length by closing the connection, because HTTP/1.0 has no chunks (RFC 9112 section 6.1).
fn end_by_closing<B: MessageBody>(response: &mut ServiceResponse<B>) {
    if response.response().body().size() == BodySize::Stream {
        let head = response.response_mut().head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
}

/// Returns an error that is answered with this response.
fn complete(response: HttpResponse) -> actix_web::Error {
    InternalError::from_response("the response is complete", response).into()
}
