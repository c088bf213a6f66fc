//! `/status-lists…`: the status lists (draft-ietf-oauth-status-list), by which verifiers know ended sessions, and the events
//! that make them fetch.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{
    AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, ETAG, Encoding, Header as _, HeaderName, HeaderValue,
    Preference, Quality, VARY,
};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use service_kit::{Closing, Problem};
use tokio::sync::watch;

use crate::domain::authn::source::Source;
use crate::domain::clients::Clients;
use crate::domain::status_lists::StatusLists;
use crate::domain::status_lists::{Listener, Place, Places, Revisions};
use crate::http::error::IntoProblem;
use crate::http::oauth::client::{Authorization, authenticate_basic};
use crate::http::oauth::metadata::{X_KEYS_REVISION, if_none_match};
use crate::http::request::device::DeviceOf;

/// Seconds after which a verifier may ask for a stream again.
const LISTENERS_RETRY: u32 = 10;

/// Tells proxies not to buffer events.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The places of listeners, and the interval of heartbeats.
#[derive(Debug, Clone)]
pub(crate) struct Listeners {
    places: Places,
    heartbeat: Duration,
}

impl Listeners {
    pub(crate) fn new(places: Places, heartbeat: Duration) -> Self {
        Self { places, heartbeat }
    }
}

/// Section 9.3 of the draft. The header with the revision of the keys is for verifiers without a stream of events.
pub(super) async fn aggregation(lists: Data<StatusLists>, req: HttpRequest) -> Result<HttpResponse, Problem> {
    let (index, keys_revision) = lists.index().await.map_err(IntoProblem::into_problem)?;
    let known = if_none_match(&req, &index.etag);
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((ETAG, index.etag.as_str()))
        .insert_header((X_KEYS_REVISION, keys_revision));
    if known {
        return Ok(response.finish());
    }
    Ok(response.content_type("application/json").body(index.json.clone()))
}

/// Section 8.1 of the draft.
pub(super) async fn list(
    lists: Data<StatusLists>,
    list: Path<String>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let nothing = || Problem::not_found("There is no such status list.");
    let list: i64 = list.parse().map_err(|_| nothing())?;
    let found = lists.list(list).await.map_err(IntoProblem::into_problem)?;
    let list = found.ok_or_else(nothing)?;
    let known = if_none_match(&req, &list.etag);
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // A cache has to revalidate it each time: a list may change at any moment.
    response
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((ETAG, list.etag.as_str()))
        .insert_header((VARY, "accept-encoding"));
    if known {
        return Ok(response.finish());
    }
    response.content_type("application/statuslist+jwt");
    if accepts_gzip(&req) {
        return Ok(response.insert_header((CONTENT_ENCODING, "gzip")).body(list.gzip.clone()));
    }
    Ok(response.body(list.token.clone()))
}

/// Whether the client accepts gzip, with any weight but zero (RFC 9110 section 12.5.3).
fn accepts_gzip(req: &HttpRequest) -> bool {
    let gzip = Preference::Specific(Encoding::gzip());
    let accepted = AcceptEncoding::parse(req).map(|AcceptEncoding(codings)| codings).unwrap_or_default();
    accepted.iter().any(|coding| coding.item == gzip && coding.quality > Quality::ZERO)
}

/// A stream of events.
struct Events {
    lists: Data<StatusLists>,
    news: watch::Receiver<Arc<Revisions>>,
    told: Option<Arc<Revisions>>,
    heartbeat: Duration,
    closing: Closing,
    place: Place,
}

/// Answers with a stream of events (HTML standard, section 9.2): first the revisions of everything, then each change. A slow
/// listener gets the latest state only, so that its backlog does not grow. A client that authenticates gets a reserved place.
pub(super) async fn events(
    clients: Data<Clients>,
    lists: Data<StatusLists>,
    listeners: Data<Listeners>,
    closing: Closing,
    DeviceOf(device): DeviceOf,
    authorization: Authorization,
) -> Result<HttpResponse, Problem> {
    let listener = match authenticate_basic(&clients, &authorization).await? {
        Some(client) => Listener::Client(client),
        None => Listener::Anonymous(Source::of(device.ip.as_deref())),
    };
    let place = listeners.places.take(listener).ok_or_else(|| {
        let detail = "Too many listeners; ask for the lists at intervals instead.";
        Problem::unavailable("too_many_listeners", detail, LISTENERS_RETRY)
    })?;
    let events =
        Events { news: lists.subscribe(), lists, told: None, heartbeat: listeners.heartbeat, closing, place };
    let events = stream::unfold(events, |mut events| async move {
        let event = events.next().await?;
        Some((Ok::<_, Infallible>(event), events))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_ACCEL_BUFFERING, HeaderValue::from_static("no")))
        .streaming(events))
}

impl Events {
    /// Returns the next chunk; `None` when the service stops, or the place was given to another listener.
    async fn next(&mut self) -> Option<Bytes> {
        if self.told.is_none() {
            return Some(self.tell());
        }
        tokio::select! {
            () = self.closing.closed() => None,
            () = self.place.ended() => None,
            changed = self.news.changed() => changed.ok().map(|()| self.tell()),
            () = tokio::time::sleep(self.heartbeat) => Some(Bytes::from_static(b": alive\n\n")),
        }
    }

    /// Returns events for what has changed since the chunk before.
    fn tell(&mut self) -> Bytes {
        let news = Arc::clone(&self.news.borrow_and_update());
        let mut text = String::new();
        let told = self.told.as_deref();
        if told.is_none_or(|told| told.keys != news.keys) {
            event(&mut text, "keys", &serde_json::json!({ "revision": news.keys }));
        }
        for (list, revision) in &news.lists {
            if told.is_none_or(|told| told.lists.get(list) != Some(revision)) {
                let uri = self.lists.uri(*list);
                event(&mut text, "list", &serde_json::json!({ "uri": uri, "revision": revision }));
            }
        }
        self.told = Some(news);
        text.push_str(": told\n\n"); // never nothing: an empty chunk would end the answer
        Bytes::from(text)
    }
}

fn event(text: &mut String, name: &str, data: &serde_json::Value) {
    let _ = write!(text, "event: {name}\ndata: {data}\n\n"); // a String takes everything
}
