//! When the issuer's names of all its status lists are read again (draft-ietf-oauth-status-list section 9): each second
//! where that is how changes are seen, else now and then. Pure.

use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::time::Instant;
use url::Url;

use crate::remote::backoff::{back_off, scattered};

const INTERVAL: Duration = Duration::from_secs(5 * 60);
/// How often the revisions are asked for without an event stream: each second, with what is added to it and the time that
/// answers take.
const POLL: Duration = Duration::from_millis(800);
/// Events about lists that are not known cause no reading sooner than so long after the one before.
const SHORTEST: Duration = Duration::from_secs(2);
const BACK_OFF: Duration = Duration::from_secs(1);
const MAX_BACK_OFF: Duration = Duration::from_secs(60);
/// The same where it is how changes are seen.
const MAX_BACK_OFF_POLLING: Duration = Duration::from_secs(10);
/// No reading takes longer: one that is not over by then was lost.
const LOST: Duration = Duration::from_secs(30);

/// The plan for the next reading.
pub(super) struct Directory {
    due: Instant,
    began: Option<Instant>,
    under_way: bool,
    pub(super) failures: u32,
    /// Where it was read last, and what stands for what was read.
    known: Option<(Url, HeaderValue)>,
}

impl Directory {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now, began: None, under_way: false, failures: 0, known: None }
    }

    /// When there is something to do.
    pub(super) fn next(&self) -> Instant {
        match self.began {
            Some(began) if self.under_way => began + LOST,
            _ => self.due,
        }
    }

    /// There is a reason to read before it is time.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.due = self.due.min(self.began.map_or(now, |began| now.max(began + SHORTEST)));
    }

    /// Read at once: there is no event stream any more.
    pub(super) fn poll(&mut self, now: Instant) {
        self.due = self.due.min(now);
    }

    /// A reading begins at `url`; the `ETag` to send with it.
    pub(super) fn begin(&mut self, url: &Url, now: Instant) -> Option<HeaderValue> {
        (self.began, self.under_way) = (Some(now), true);
        self.due = now + INTERVAL;
        self.known.as_ref().filter(|(known, _)| known == url).map(|(_, etag)| etag.clone())
    }

    /// What was read at `url` goes by this `ETag`.
    pub(super) fn read(&mut self, url: &Url, etag: Option<HeaderValue>) {
        self.known = etag.map(|etag| (url.clone(), etag));
    }

    /// There is nothing to read so far.
    pub(super) fn skip(&mut self, now: Instant) {
        self.due = now + INTERVAL;
    }

    /// A reading is over; `polling`: it is to be repeated each second.
    pub(super) fn ended(&mut self, good: bool, polling: bool, now: Instant) {
        self.under_way = false;
        self.failures = if good { 0 } else { self.failures.saturating_add(1) };
        let pause = match (good, polling) {
            (true, true) => scattered(POLL),
            (true, false) => scattered(INTERVAL),
            (false, true) => back_off(self.failures, BACK_OFF, MAX_BACK_OFF_POLLING),
            (false, false) => back_off(self.failures, BACK_OFF, MAX_BACK_OFF),
        };
        self.due = self.due.min(now + pause);
    }
}
