//! Decides when a status list is fetched next. Nothing here waits or does I/O.

use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::time::Instant;

use super::signed_list::SignedList;
use crate::remote::backoff::{back_off, jittered};

/// How often a list without a `ttl` is fetched, while there is no event stream.
const DEFAULT_TTL: Duration = Duration::from_secs(5);
const MIN_TTL: Duration = Duration::from_secs(1);
/// The longest `ttl`. Also how often a list is confirmed while the event stream is connected, in case an event was lost.
const MAX_TTL: Duration = Duration::from_secs(5 * 60);
/// The shortest time between two fetches that events cause, and the first delay after a response that is behind an event.
const AFTER_EVENT: Duration = Duration::from_millis(250);
/// The first delay after a failure, and the longest one.
const BACK_OFF: Duration = Duration::from_secs(1);
const MAX_BACK_OFF: Duration = Duration::from_secs(60);
/// How often a published revision is fetched before giving up.
const MAX_ATTEMPTS: u32 = 10;
/// A fetch that has not ended by then is considered lost.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// The schedule of a list.
pub(super) struct Tracked {
    /// The list is in the aggregation.
    pub(super) listed: bool,
    due: Instant,
    /// When the fetch in flight began.
    in_flight: Option<Instant>,
    began: Option<Instant>,
    etag: Option<HeaderValue>,
    /// The revision that the issuer published last.
    published: Option<u64>,
    /// The known list is outdated, so no cache may respond by itself.
    bypass_caches: bool,
    /// Consecutive failures, and responses that were older than the published revision.
    attempts: u32,
}

impl Tracked {
    /// Creates a schedule that fetches immediately.
    pub(super) fn new(listed: bool, now: Instant) -> Self {
        Self {
            listed,
            due: now,
            in_flight: None,
            began: None,
            etag: None,
            published: None,
            bypass_caches: false,
            attempts: 0,
        }
    }

    /// Returns when there is something to do.
    pub(super) fn next(&self) -> Instant {
        self.in_flight.map_or(self.due, |began| began + FETCH_TIMEOUT)
    }

    /// Returns whether it was never fetched.
    pub(super) fn is_new(&self) -> bool {
        self.began.is_none()
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Returns whether the latest fetch succeeded.
    pub(super) fn is_healthy(&self) -> bool {
        self.attempts == 0
    }

    /// Fetches immediately, without an `ETag`.
    pub(super) fn fetch_now(&mut self, now: Instant) {
        (self.etag, self.bypass_caches, self.attempts) = (None, true, 0);
        self.due = self.due.min(now);
    }

    /// Notes that the issuer has published `revision` by an event; `known` is the revision of its latest response. A lower
    /// revision is fetched too: the issuer may have been restored from a backup.
    pub(super) fn revision_published(&mut self, revision: u64, known: Option<u64>, now: Instant) {
        if known == Some(revision) {
            return;
        }
        self.published = Some(revision);
        self.attempts = 0;
        let soonest = self.began.map_or(now, |began| now.max(began + AFTER_EVENT));
        self.due = self.due.min(soonest);
    }

    /// Notes a revision in the response to a poll. As polls repeat it, a revision that is already being fetched is ignored.
    pub(super) fn revision_polled(&mut self, revision: u64, known: Option<u64>, now: Instant) {
        if self.published != Some(revision) {
            self.revision_published(revision, known, now);
        }
    }

    /// Fetches no later than `then`.
    pub(super) fn fetch_by(&mut self, then: Instant) {
        self.due = self.due.min(then);
    }

    /// Fetches as often as the list says: the event stream is lost.
    pub(super) fn poll(&mut self, held: Option<&SignedList>, now: Instant) {
        self.due = self.due.min(now + jittered(ttl(held)));
    }

    /// Begins a fetch. Returns the `ETag` to send, and whether to bypass caches; then there is no `ETag`.
    pub(super) fn begin(&mut self, now: Instant) -> (Option<HeaderValue>, bool) {
        (self.began, self.in_flight) = (Some(now), Some(now));
        self.due = now + MAX_BACK_OFF; // an event in between makes it earlier
        let bypass_caches = std::mem::take(&mut self.bypass_caches) || self.published.is_some();
        (if bypass_caches { None } else { self.etag.clone() }, bypass_caches)
    }

    /// Notes that a list was fetched or confirmed.
    pub(super) fn succeeded(&mut self, got: &Got<'_>, now: Instant) {
        let behind = self.published.zip(got.list.revision).is_some_and(|(published, is)| is < published);
        self.etag = got.etag.filter(|_| !got.is_old).cloned();
        self.attempts = if behind { self.attempts + 1 } else { 0 };
        let pause = if behind && self.attempts <= MAX_ATTEMPTS {
            back_off(self.attempts, AFTER_EVENT, MAX_BACK_OFF)
        } else {
            self.published = None;
            let usual = if got.watched { MAX_TTL } else { ttl(Some(got.list)) };
            jittered(usual.min(got.left.map_or(usual, |left| (left / 4).max(MIN_TTL))))
        };
        self.ended(pause, now);
    }

    pub(super) fn failed(&mut self, now: Instant) {
        (self.etag, self.bypass_caches) = (None, true);
        self.attempts = self.attempts.saturating_add(1);
        let first = if self.published.is_some() { AFTER_EVENT } else { BACK_OFF };
        self.ended(back_off(self.attempts, first, MAX_BACK_OFF), now);
    }

    /// Ends a fetch. If an event has made the next one due earlier meanwhile, that stays.
    fn ended(&mut self, pause: Duration, now: Instant) {
        let due_earlier = self.in_flight.is_some_and(|began| self.due < began + MAX_BACK_OFF);
        self.due = if due_earlier { self.due.min(now + pause) } else { now + pause };
        self.in_flight = None;
    }
}

/// The result of a fetch.
pub(super) struct Got<'a> {
    /// The list that the issuer responded with.
    pub(super) list: &'a SignedList,
    pub(super) etag: Option<&'a HeaderValue>,
    /// How long the list may be used; `None` if it does not expire.
    pub(super) left: Option<Duration>,
    /// The list is near its expiry: the next one is fetched without an `ETag`, because its content may be the same.
    pub(super) is_old: bool,
    /// Changes are reported by the event stream or by polling the aggregation.
    pub(super) watched: bool,
}

fn ttl(list: Option<&SignedList>) -> Duration {
    list.and_then(|list| list.ttl).unwrap_or(DEFAULT_TTL).clamp(MIN_TTL, MAX_TTL)
}
