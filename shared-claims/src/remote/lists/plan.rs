//! Decides which status lists are kept, and what replaces them: those in the aggregation, and those that tokens name. The
//! worker does the fetching.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use reqwest::header::HeaderValue;
use tokio::time::Instant;
use url::Url;

use super::{
    aggregation::Aggregation,
    fetched::{FetchedAggregation, FetchedList},
    held::{Held, Seen, Unusable},
    signed_list::SignedList,
    tracked::{Got, Tracked},
};
use crate::{
    clock::{Clock, Freshness},
    remote::{
        events::parser::ListChange,
        http::FetchError,
        state::{Revocation, State},
    },
    shown::Shown,
};

/// How long a list that is no longer in the aggregation is kept after the last token that named it has expired, in seconds.
const KEPT_LONGER: u64 = 60 * 60;
/// No list is fetched sooner than this because something merged expires.
const MERGED_SHORTEST: Duration = Duration::from_secs(1);

/// The reason why a list was not stored.
#[derive(Debug, thiserror::Error)]
enum NotKept {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// The lists that are kept current, and when each is due.
pub(in crate::remote) struct Plan {
    state: Arc<State>,
    clock: Clock,
    tracked: HashMap<Arc<str>, Tracked>,
    aggregation: Aggregation,
    /// How many lists of the latest aggregation did not fit.
    left_out: usize,
    /// Lists that were found to be of an earlier revision than before: the log says so once.
    rolled_back: HashSet<Arc<str>>,
    /// Whether the latest aggregation had revisions.
    has_revisions: bool,
}

/// A list to fetch now.
pub(in crate::remote) struct Due {
    pub(in crate::remote) uri: Arc<str>,
    pub(in crate::remote) etag: Option<HeaderValue>,
    pub(in crate::remote) bypass_caches: bool,
}

impl Plan {
    /// Creates a plan with the lists of the snapshot; `None` if status lists are turned off.
    pub(in crate::remote) fn new(state: Arc<State>, clock: Clock, now: Instant) -> Option<Self> {
        let known = state.lists.as_ref()?.lists.all();
        let tracked = known.into_iter().map(|(uri, _)| (uri, Tracked::new(false, now))).collect();
        let aggregation = Aggregation::new(now);
        Some(Self {
            state,
            clock,
            tracked,
            aggregation,
            left_out: 0,
            rolled_back: HashSet::new(),
            has_revisions: false,
        })
    }

    /// Returns when there is something to do.
    pub(in crate::remote) fn next(&self) -> Instant {
        let lists = self.tracked.values().map(Tracked::next);
        lists.fold(self.aggregation.next(), Instant::min)
    }

    /// Returns the lists to fetch now.
    pub(in crate::remote) fn begin_lists(&mut self, room: usize, now: Instant) -> Vec<Due> {
        let due = self.tracked.iter_mut().filter(|(_, tracked)| tracked.next() <= now).take(room);
        let begun = due.map(|(uri, tracked)| {
            let (etag, bypass_caches) = tracked.begin(now);
            Due { uri: Arc::clone(uri), etag, bypass_caches }
        });
        begun.collect()
    }

    /// Returns the URL of the aggregation if it is due, and the `ETag` to send. Without an aggregation, unused lists are
    /// dropped nevertheless, once the metadata is known.
    pub(in crate::remote) fn begin_aggregation(
        &mut self,
        now: Instant,
    ) -> Option<(Url, Option<HeaderValue>)> {
        if self.aggregation.next() > now {
            return None;
        }
        let endpoints = self.state.endpoints.borrow().clone();
        let url = endpoints.as_ref().and_then(|endpoints| endpoints.lists.clone());
        if let Some(url) = url {
            let etag = self.aggregation.begin(&url, now);
            return Some((url, etag));
        }
        self.aggregation.skip(now);
        self.has_revisions = false;
        self.watch_revisions(false, now);
        if endpoints.is_some() {
            self.retire();
        }
        None
    }

    /// Reads the aggregation before the interval has passed.
    pub(in crate::remote) fn read_aggregation_soon(&mut self, now: Instant) {
        self.aggregation.read_soon(now);
    }

    /// Processes the aggregation that was read at `url`.
    pub(in crate::remote) fn take_aggregation(
        &mut self,
        url: &Url,
        read: Result<FetchedAggregation, FetchError>,
        now: Instant,
    ) {
        let good = read.is_ok();
        match read {
            Ok(FetchedAggregation::Unchanged) => {
                self.retire();
                self.watch_revisions(self.has_revisions, now);
            }
            Ok(FetchedAggregation::Read { names, revisions, etag }) => {
                self.aggregation.read(url, etag);
                self.name(&names, now);
                self.has_revisions = revisions.is_some();
                self.watch_revisions(revisions.is_some(), now);
                for (uri, revision) in revisions.unwrap_or_default() {
                    let known = self.answered(&uri);
                    if let Some(tracked) = self.tracked.get_mut(uri.as_str()) {
                        tracked.revision_polled(revision, known, now);
                    }
                }
            }
            Err(error) => {
                self.watch_revisions(false, now);
                let level = if self.aggregation.failures == 0 { log::Level::Warn } else { log::Level::Debug };
                let issuer = self.state.policy.issuer();
                log::log!(
                    level,
                    "the status list aggregation of {issuer} cannot be fetched: {}",
                    Shown(error)
                );
            }
        }
        let polling = self.has_revisions && !self.is_streaming();
        self.aggregation.ended(good, polling, now);
    }

    /// Notes whether the aggregation has revisions. If it no longer does, each list is polled by itself.
    fn watch_revisions(&mut self, known: bool, now: Instant) {
        let before = self.state.revisions_known.swap(known, Ordering::Relaxed);
        if before && !known && !self.is_streaming() {
            self.poll_lists(now);
        }
    }

    /// Returns whether changes are found within about a second without polling the lists themselves.
    fn is_watched(&self) -> bool {
        self.is_streaming() || self.state.revisions_known.load(Ordering::Relaxed)
    }

    fn is_streaming(&self) -> bool {
        *self.state.streaming.borrow()
    }

    /// Stores a fetched list, if it is valid. Waiting requests continue.
    pub(in crate::remote) fn take_list(
        &mut self,
        uri: &Arc<str>,
        fetched: Result<FetchedList, FetchError>,
        now: Instant,
    ) {
        let kept = fetched.map_err(NotKept::from).and_then(|fetched| self.keep(uri, fetched, now));
        let found = kept.is_ok();
        if let Err(error) = kept {
            self.failed(uri, &error, now);
        }
        if let Some(revocation) = self.revocation() {
            revocation.requests.finished(uri, found);
        }
    }

    /// Stores a fetched list. The error is the reason why it is not used.
    fn keep(&mut self, uri: &Arc<str>, fetched: FetchedList, now: Instant) -> Result<(), NotKept> {
        let state = Arc::clone(&self.state);
        let Some(revocation) = state.lists.as_ref() else { return Ok(()) };
        let terms = state.terms(&revocation.limits, &self.clock);
        let known = revocation.lists.held(uri);
        let seen = Seen { at: terms.now.secs, freshness: Freshness::at(terms.now.instant) };
        let vouched = known.as_ref().is_some_and(|known| self.key_is_known(&known.signed));
        let (held, etag) = Held::after(known.as_deref(), vouched, fetched, seen, &terms)?;
        if known.as_ref().is_none_or(|known| !known.is_same_as(&held)) {
            log::debug!("the status list {} has revision {:?}", Shown(uri), held.latest().revision);
            self.state.unsaved.notify_one();
        }
        if let (Some(earlier), None) =
            (&held.earlier, known.as_ref().and_then(|known| known.earlier.as_ref()))
        {
            self.warn_of_rollback(uri, earlier.signed.revision, held.signed.revision);
        }
        let watched = self.is_watched();
        if let Some(tracked) = self.tracked.get_mut(uri) {
            let (list, wall) = (held.latest(), terms.now.secs);
            let left = list.exp.map(|exp| Duration::from_secs(exp.saturating_sub(wall)));
            let is_old = list.is_old(wall);
            tracked.succeeded(&Got { list, etag: etag.as_ref(), left, is_old, watched }, now);
            if let Some(left) = held.merged_for(&terms) {
                tracked.fetch_by(now + left.max(MERGED_SHORTEST));
            }
        }
        revocation.lists.put(uri, held);
        Ok(())
    }

    /// Warns that the issuer responds with an earlier revision.
    fn warn_of_rollback(&mut self, uri: &Arc<str>, is: Option<u64>, was: Option<u64>) {
        let again = !self.rolled_back.insert(Arc::clone(uri));
        let (is, was) = (is.unwrap_or_default(), was.unwrap_or_default());
        log::log!(
            if again { log::Level::Debug } else { log::Level::Warn },
            "the status list {uri:?} has gone back from revision {was} to {is}: the issuer was restored from a backup \
             without `auth-service recover`, or a cache responds for it. Until then, tokens that either revision revokes are refused"
        );
    }

    /// Returns whether the key that signed the list is still the issuer's. If not, any list replaces it.
    fn key_is_known(&self, list: &SignedList) -> bool {
        self.state.keys.latest().is_some_and(|keys| keys.has(&list.kid))
    }

    fn failed(&mut self, uri: &Arc<str>, error: &NotKept, now: Instant) {
        let known = self.held(uri).is_some();
        let Some(tracked) = self.tracked.get_mut(uri) else { return };
        let level = if tracked.is_healthy() { log::Level::Warn } else { log::Level::Debug };
        log::log!(
            level,
            "a status list of {} cannot be fetched: {}",
            self.state.policy.issuer(),
            Shown(error)
        );
        tracked.failed(now);
        if !known && !tracked.listed {
            self.tracked.remove(uri); // only a token named it
        }
    }

    /// Fetches a list that a request needs, because it is unknown or too old.
    pub(in crate::remote) fn list_requested(&mut self, uri: &str, now: Instant) {
        if let Some(tracked) = self.tracked.get_mut(uri) {
            if !tracked.is_in_flight() {
                tracked.fetch_now(now);
            }
        } else if !self.track(uri, false, now)
            && let Some(revocation) = self.revocation()
        {
            revocation.requests.finished(uri, false);
        }
    }

    /// Fetches a list that has changed according to an event. An unknown one is looked up in the aggregation: an event
    /// alone does not cause a fetch of an arbitrary URI.
    pub(in crate::remote) fn list_changed(&mut self, event: &ListChange, now: Instant) {
        let known = self.answered(&event.uri);
        match self.tracked.get_mut(event.uri.as_str()) {
            Some(tracked) => tracked.revision_published(event.revision, known, now),
            None if self.state.list_urls(&event.uri).is_ok() => self.aggregation.read_soon(now),
            None => {}
        }
    }

    /// Fetches lists again whose key is no longer in the key set. They are used until then.
    pub(in crate::remote) fn refetch_unvouched(&mut self, now: Instant) {
        for (uri, held) in self.revocation().map(|revocation| revocation.lists.all()).unwrap_or_default() {
            if !self.key_is_known(&held.signed)
                && let Some(tracked) = self.tracked.get_mut(&uri)
            {
                tracked.fetch_now(now);
            }
        }
    }

    /// Polls for changes, because the event stream is lost: through the aggregation if it has revisions.
    pub(in crate::remote) fn stream_lost(&mut self, now: Instant) {
        if self.has_revisions {
            self.aggregation.read_now(now);
        } else {
            self.poll_lists(now);
        }
    }

    /// Fetches each list as often as its `ttl` says.
    fn poll_lists(&mut self, now: Instant) {
        let Some(revocation) = self.state.lists.as_ref() else { return };
        for (uri, tracked) in &mut self.tracked {
            let held = revocation.lists.held(uri);
            tracked.poll(held.as_ref().map(|held| &*held.signed), now);
        }
    }

    /// Notes that these are all lists of the issuer.
    fn name(&mut self, uris: &[String], now: Instant) {
        for tracked in self.tracked.values_mut() {
            tracked.listed = false;
        }
        let before = std::mem::take(&mut self.left_out);
        for uri in uris {
            match self.tracked.get_mut(uri.as_str()) {
                Some(tracked) => tracked.listed = true,
                None => self.left_out += usize::from(!self.track(uri, true, now)),
            }
        }
        if self.left_out > 0 && self.left_out != before {
            log::warn!(
                "{} status lists are not kept: there are too many, or they are not the issuer's",
                self.left_out
            );
        }
        self.retire();
    }

    /// Adds a list, if it is the issuer's and there is room. Returns whether it was added.
    fn track(&mut self, uri: &str, listed: bool, now: Instant) -> bool {
        let most = self.revocation().map_or(0, |revocation| revocation.limits.lists);
        let taken = self.tracked.len() < most && self.state.list_urls(uri).is_ok();
        if taken {
            self.tracked.insert(uri.into(), Tracked::new(listed, now));
        }
        taken
    }

    /// Drops lists that are neither in the aggregation nor needed for a token.
    fn retire(&mut self) {
        let Some(revocation) = self.state.lists.as_ref() else { return };
        let now = self.clock.now();
        let before = self.tracked.len();
        self.tracked.retain(|uri, tracked| {
            let needed = revocation.lists.needed_until(uri).saturating_add(KEPT_LONGER) > now;
            let keep = tracked.listed || tracked.is_new() || tracked.is_in_flight() || needed;
            if !keep {
                revocation.lists.drop(uri);
                self.rolled_back.remove(uri);
            }
            keep
        });
        if self.tracked.len() < before {
            self.state.unsaved.notify_one();
        }
    }

    fn revocation(&self) -> Option<&Revocation> {
        self.state.lists.as_ref()
    }

    fn held(&self, uri: &str) -> Option<Arc<Held>> {
        self.revocation()?.lists.held(uri)
    }

    /// Returns the revision of the list that the issuer responded with last.
    fn answered(&self, uri: &str) -> Option<u64> {
        self.held(uri)?.latest().revision
    }
}
