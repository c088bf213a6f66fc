//! One status list that is kept current: when it is to be fetched next. Pure: nothing here waits or asks.

use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::time::Instant;

use super::signed_list::SignedList;
use crate::remote::backoff::{back_off, scattered};

/// How often a list is fetched that says nothing about it, while no event stream tells of changes.
const DEFAULT_TTL: Duration = Duration::from_secs(5);
const MIN_TTL: Duration = Duration::from_secs(1);
/// Also how often it is confirmed while the event stream is connected, in case an event was lost.
const MAX_TTL: Duration = Duration::from_secs(5 * 60);
/// Events cause no fetch sooner than so long after the one before. Also the first pause when one comes too early.
const AFTER_EVENT: Duration = Duration::from_millis(250);
/// The first pause after a failure, and the longest one.
const BACK_OFF: Duration = Duration::from_secs(1);
const MAX_BACK_OFF: Duration = Duration::from_secs(60);
/// How often a revision that was announced is looked for before it is given up.
const MAX_TRIES: u32 = 10;
/// No fetch takes longer: one that is not over by then was lost.
const LOST: Duration = Duration::from_secs(30);

/// What the background task knows about a list besides the list.
pub(super) struct Tracked {
    /// The issuer names it among all its lists.
    pub(super) named: bool,
    due: Instant,
    /// When the fetch under way began.
    under_way: Option<Instant>,
    began: Option<Instant>,
    etag: Option<HeaderValue>,
    /// The revision that the issuer told of last.
    announced: Option<u64>,
    /// What is here will not do, so that no cache may answer by itself.
    outdated: bool,
    /// Failures in a row, and answers that were older than what was announced.
    tries: u32,
}

impl Tracked {
    /// To be fetched at once.
    pub(super) fn new(named: bool, now: Instant) -> Self {
        Self {
            named,
            due: now,
            under_way: None,
            began: None,
            etag: None,
            announced: None,
            outdated: false,
            tries: 0,
        }
    }

    /// When there is something to do.
    pub(super) fn next(&self) -> Instant {
        self.under_way.map_or(self.due, |began| began + LOST)
    }

    /// It was never fetched.
    pub(super) fn is_new(&self) -> bool {
        self.began.is_none()
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Nothing has gone wrong with it of late.
    pub(super) fn is_fine(&self) -> bool {
        self.tries == 0
    }

    /// Fetch it at once, and whole.
    pub(super) fn hurry(&mut self, now: Instant) {
        (self.etag, self.outdated, self.tries) = (None, true, 0);
        self.due = self.due.min(now);
    }

    /// An event tells that there is `revision`; `known` is what the issuer answered with last, if that has a revision. A lower
    /// one is fetched as well: the issuer may have been restored from a backup.
    pub(super) fn hear_of(&mut self, revision: u64, known: Option<u64>, now: Instant) {
        if known == Some(revision) {
            return;
        }
        self.announced = Some(revision);
        self.tries = 0;
        let soonest = self.began.map_or(now, |began| now.max(began + AFTER_EVENT));
        self.due = self.due.min(soonest);
    }

    /// The same, as a poll says it again and again: what is being looked for already is not looked for sooner.
    pub(super) fn read_of(&mut self, revision: u64, known: Option<u64>, now: Instant) {
        if self.announced != Some(revision) {
            self.hear_of(revision, known, now);
        }
    }

    /// Fetch it then, or before.
    pub(super) fn fetch_by(&mut self, then: Instant) {
        self.due = self.due.min(then);
    }

    /// The event stream has broken off: go on by asking.
    pub(super) fn ask_regularly(&mut self, held: Option<&SignedList>, now: Instant) {
        self.due = self.due.min(now + scattered(ttl(held)));
    }

    /// A fetch begins; the `ETag` to send with it, and whether what is here will not do. Then none is sent.
    pub(super) fn begin(&mut self, now: Instant) -> (Option<HeaderValue>, bool) {
        (self.began, self.under_way) = (Some(now), Some(now));
        self.due = now + MAX_BACK_OFF; // an event in between makes it earlier
        let outdated = std::mem::take(&mut self.outdated) || self.announced.is_some();
        (if outdated { None } else { self.etag.clone() }, outdated)
    }

    /// A fetch has brought a list, or confirmed the one that is known.
    pub(super) fn succeeded(&mut self, got: &Got<'_>, now: Instant) {
        let behind = self.announced.zip(got.list.revision).is_some_and(|(announced, is)| is < announced);
        self.etag = got.etag.filter(|_| !got.is_old).cloned();
        self.tries = if behind { self.tries + 1 } else { 0 };
        let pause = if behind && self.tries <= MAX_TRIES {
            back_off(self.tries, AFTER_EVENT, MAX_BACK_OFF)
        } else {
            self.announced = None;
            let usual = if got.watched { MAX_TTL } else { ttl(Some(got.list)) };
            scattered(usual.min(got.left.map_or(usual, |left| (left / 4).max(MIN_TTL))))
        };
        self.ended(pause, now);
    }

    pub(super) fn failed(&mut self, now: Instant) {
        (self.etag, self.outdated) = (None, true);
        self.tries = self.tries.saturating_add(1);
        let first = if self.announced.is_some() { AFTER_EVENT } else { BACK_OFF };
        self.ended(back_off(self.tries, first, MAX_BACK_OFF), now);
    }

    /// Whatever became due in the meantime stays so.
    fn ended(&mut self, pause: Duration, now: Instant) {
        let heard = self.under_way.is_some_and(|began| self.due < began + MAX_BACK_OFF);
        self.due = if heard { self.due.min(now + pause) } else { now + pause };
        self.under_way = None;
    }
}

/// What a fetch has brought.
pub(super) struct Got<'a> {
    /// The list that the issuer has answered with.
    pub(super) list: &'a SignedList,
    pub(super) etag: Option<&'a HeaderValue>,
    /// How long the list may be used; `None`: it does not say.
    pub(super) left: Option<Duration>,
    /// The list nears its end: the next one is to be fetched whole, also when its content is the same.
    pub(super) is_old: bool,
    /// The event stream tells of changes, or they are asked for each second, for all lists in one.
    pub(super) watched: bool,
}

fn ttl(list: Option<&SignedList>) -> Duration {
    list.and_then(|list| list.ttl).unwrap_or(DEFAULT_TTL).clamp(MIN_TTL, MAX_TTL)
}
