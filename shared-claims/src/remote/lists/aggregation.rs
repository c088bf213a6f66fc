//! Decides when the status list aggregation (draft-ietf-oauth-status-list section 9) is read: once a second if it is polled
//! for changes, otherwise every few minutes.

use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::time::Instant;
use url::Url;

use crate::remote::backoff::{back_off, jittered};

const INTERVAL: Duration = Duration::from_secs(5 * 60);
/// The interval of polls without an event stream. With jitter and the time of the response, it is about a second.
const POLL: Duration = Duration::from_millis(800);
/// The shortest time between two reads that events about unknown lists cause.
const SHORTEST: Duration = Duration::from_secs(2);
const BACK_OFF: Duration = Duration::from_secs(1);
const MAX_BACK_OFF: Duration = Duration::from_secs(60);
/// The longest delay after a failure while polling.
const MAX_BACK_OFF_POLLING: Duration = Duration::from_secs(10);
/// A read that has not ended by then is considered lost.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// The schedule of reads.
pub(super) struct Aggregation {
    due: Instant,
    began: Option<Instant>,
    in_flight: bool,
    pub(super) failures: u32,
    /// The URL of the last read, and the `ETag` of its response.
    known: Option<(Url, HeaderValue)>,
}

impl Aggregation {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now, began: None, in_flight: false, failures: 0, known: None }
    }

    /// Returns when there is something to do.
    pub(super) fn next(&self) -> Instant {
        match self.began {
            Some(began) if self.in_flight => began + FETCH_TIMEOUT,
            _ => self.due,
        }
    }

    /// Reads before the interval has passed.
    pub(super) fn read_soon(&mut self, now: Instant) {
        self.due = self.due.min(self.began.map_or(now, |began| now.max(began + SHORTEST)));
    }

    /// Reads immediately: the event stream is lost.
    pub(super) fn read_now(&mut self, now: Instant) {
        self.due = self.due.min(now);
    }

    /// Begins a read at `url`. Returns the `ETag` to send.
    pub(super) fn begin(&mut self, url: &Url, now: Instant) -> Option<HeaderValue> {
        (self.began, self.in_flight) = (Some(now), true);
        self.due = now + INTERVAL;
        self.known.as_ref().filter(|(known, _)| known == url).map(|(_, etag)| etag.clone())
    }

    /// Notes the `ETag` of the response from `url`.
    pub(super) fn read(&mut self, url: &Url, etag: Option<HeaderValue>) {
        self.known = etag.map(|etag| (url.clone(), etag));
    }

    /// Postpones the read: there is no aggregation yet.
    pub(super) fn skip(&mut self, now: Instant) {
        self.due = now + INTERVAL;
    }

    /// Ends a read. If `polling`, the next one is about a second later.
    pub(super) fn ended(&mut self, good: bool, polling: bool, now: Instant) {
        self.in_flight = false;
        self.failures = if good { 0 } else { self.failures.saturating_add(1) };
        let pause = match (good, polling) {
            (true, true) => jittered(POLL),
            (true, false) => jittered(INTERVAL),
            (false, true) => back_off(self.failures, BACK_OFF, MAX_BACK_OFF_POLLING),
            (false, false) => back_off(self.failures, BACK_OFF, MAX_BACK_OFF),
        };
        self.due = self.due.min(now + pause);
    }
}
