//! Which status lists are kept, and what replaces what: those that the issuer names, and those that tokens name. Decides,
//! and leaves fetching to others.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use reqwest::header::HeaderValue;
use tokio::time::Instant;
use url::Url;

use super::{
    directory::Directory,
    fetched::{FetchedList, FetchedNames},
    held::{Held, Seen},
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

/// A list that the issuer no longer names is kept for so long after the last token that named it has expired, in seconds.
const KEPT_LONGER: u64 = 60 * 60;
/// However soon something merged is over, no list is fetched sooner for that.
const MERGED_SHORTEST: Duration = Duration::from_secs(1);

/// The lists that are kept current, and when each is due.
pub(in crate::remote) struct Plan {
    state: Arc<State>,
    clock: Clock,
    tracked: HashMap<Arc<str>, Tracked>,
    directory: Directory,
    /// How many lists had no room when the names were read last.
    left_out: usize,
    /// Lists that were found to be of an earlier revision than before: the log says so once.
    set_back: HashSet<Arc<str>>,
    /// Whether the names were last read with their revisions.
    names_have_revisions: bool,
}

/// A list to fetch now.
pub(in crate::remote) struct Due {
    pub(in crate::remote) uri: Arc<str>,
    pub(in crate::remote) etag: Option<HeaderValue>,
    pub(in crate::remote) outdated: bool,
}

impl Plan {
    /// Begins with what is known from the snapshot. `None` when no status is looked up.
    pub(in crate::remote) fn new(state: Arc<State>, clock: Clock, now: Instant) -> Option<Self> {
        let known = state.lists.as_ref()?.lists.all();
        let tracked = known.into_iter().map(|(uri, _)| (uri, Tracked::new(false, now))).collect();
        let directory = Directory::new(now);
        Some(Self {
            state,
            clock,
            tracked,
            directory,
            left_out: 0,
            set_back: HashSet::new(),
            names_have_revisions: false,
        })
    }

    /// When there is something to do.
    pub(in crate::remote) fn next(&self) -> Instant {
        let lists = self.tracked.values().map(Tracked::next);
        lists.fold(self.directory.next(), Instant::min)
    }

    /// The lists to fetch now.
    pub(in crate::remote) fn begin_lists(&mut self, room: usize, now: Instant) -> Vec<Due> {
        let due = self.tracked.iter_mut().filter(|(_, tracked)| tracked.next() <= now).take(room);
        let begun = due.map(|(uri, tracked)| {
            let (etag, outdated) = tracked.begin(now);
            Due { uri: Arc::clone(uri), etag, outdated }
        });
        begun.collect()
    }

    /// Where the names of all lists are to be read now, and the `ETag` to send. Issuers that do not name them have theirs
    /// retired all the same; nothing is, while no issuer has spoken.
    pub(in crate::remote) fn begin_names(&mut self, now: Instant) -> Option<(Url, Option<HeaderValue>)> {
        if self.directory.next() > now {
            return None;
        }
        let endpoints = self.state.endpoints.borrow().clone();
        let url = endpoints.as_ref().and_then(|endpoints| endpoints.lists.clone());
        if let Some(url) = url {
            let etag = self.directory.begin(&url, now);
            return Some((url, etag));
        }
        self.directory.skip(now);
        self.names_have_revisions = false;
        self.watch_revisions(false, now);
        if endpoints.is_some() {
            self.retire();
        }
        None
    }

    /// There is a reason to read the names before it is time.
    pub(in crate::remote) fn read_names(&mut self, now: Instant) {
        self.directory.hurry(now);
    }

    /// What was read at `url`.
    pub(in crate::remote) fn take_names(
        &mut self,
        url: &Url,
        read: Result<FetchedNames, FetchError>,
        now: Instant,
    ) {
        let good = read.is_ok();
        match read {
            Ok(FetchedNames::Unchanged) => {
                self.retire();
                self.watch_revisions(self.names_have_revisions, now);
            }
            Ok(FetchedNames::Read { names, revisions, etag }) => {
                self.directory.read(url, etag);
                self.name(&names, now);
                self.names_have_revisions = revisions.is_some();
                self.watch_revisions(revisions.is_some(), now);
                for (uri, revision) in revisions.unwrap_or_default() {
                    let known = self.answered(&uri);
                    if let Some(tracked) = self.tracked.get_mut(uri.as_str()) {
                        tracked.read_of(revision, known, now);
                    }
                }
            }
            Err(error) => {
                self.watch_revisions(false, now);
                let level = if self.directory.failures == 0 { log::Level::Warn } else { log::Level::Debug };
                let issuer = self.state.policy.issuer();
                log::log!(
                    level,
                    "the names of the status lists of {issuer} cannot be fetched: {}",
                    Shown(error)
                );
            }
        }
        let polling = self.names_have_revisions && !self.is_streaming();
        self.directory.ended(good, polling, now);
    }

    /// Whether the issuer has just said which lists have changed. When it does no longer, each list is asked for by itself.
    fn watch_revisions(&mut self, known: bool, now: Instant) {
        let before = self.state.revisions_known.swap(known, Ordering::Relaxed);
        if before && !known && !self.is_streaming() {
            self.ask_regularly(now);
        }
    }

    /// Whether every change is known within a second or so without asking for the lists.
    fn is_watched(&self) -> bool {
        self.is_streaming() || self.state.revisions_known.load(Ordering::Relaxed)
    }

    fn is_streaming(&self) -> bool {
        *self.state.streaming.borrow()
    }

    /// Puts in what was fetched, if it is good, and lets those go on who waited for it.
    pub(in crate::remote) fn take_list(
        &mut self,
        uri: &Arc<str>,
        brought: Result<FetchedList, FetchError>,
        now: Instant,
    ) {
        let kept = brought.map_err(|error| error.to_string());
        let kept = kept.and_then(|brought| self.keep(uri, brought, now));
        let found = kept.is_ok();
        if let Err(error) = kept {
            self.failed(uri, &error, now);
        }
        if let Some(revocation) = self.revocation() {
            revocation.requests.is_over(uri, found);
        }
    }

    /// Puts in what was fetched, or says why it is no good.
    fn keep(&mut self, uri: &Arc<str>, brought: FetchedList, now: Instant) -> Result<(), String> {
        let state = Arc::clone(&self.state);
        let Some(revocation) = state.lists.as_ref() else { return Ok(()) };
        let terms = state.terms(&revocation.limits, &self.clock);
        let known = revocation.lists.held(uri);
        let seen = Seen { at: terms.now.secs, freshness: Freshness::at(terms.now.instant) };
        let vouched = known.as_ref().is_some_and(|known| self.still_has_its_key(&known.signed));
        let (held, etag) = Held::after(known.as_deref(), vouched, brought, seen, &terms)?;
        if known.as_ref().is_none_or(|known| !known.says_the_same_as(&held)) {
            log::debug!("the status list {} has revision {:?}", Shown(uri), held.latest().revision);
            self.state.unsaved.notify_one();
        }
        if let (Some(earlier), None) =
            (&held.earlier, known.as_ref().and_then(|known| known.earlier.as_ref()))
        {
            self.warn_of_a_set_back(uri, earlier.signed.revision, held.signed.revision);
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

    /// The issuer answers with an earlier revision than before.
    fn warn_of_a_set_back(&mut self, uri: &Arc<str>, is: Option<u64>, was: Option<u64>) {
        let again = !self.set_back.insert(Arc::clone(uri));
        let (is, was) = (is.unwrap_or_default(), was.unwrap_or_default());
        log::log!(
            if again { log::Level::Debug } else { log::Level::Warn },
            "the status list {uri:?} has gone back from revision {was} to {is}: the issuer was restored from a backup \
             without `auth-service recover`, or a cache answers for it. What both say counts meanwhile"
        );
    }

    /// A list that nobody can vouch for any more gives way to any that somebody can.
    fn still_has_its_key(&self, list: &SignedList) -> bool {
        self.state.keys.latest().is_some_and(|keys| keys.has(&list.kid))
    }

    fn failed(&mut self, uri: &Arc<str>, error: &str, now: Instant) {
        let known = self.held(uri).is_some();
        let Some(tracked) = self.tracked.get_mut(uri) else { return };
        let level = if tracked.is_fine() { log::Level::Warn } else { log::Level::Debug };
        log::log!(
            level,
            "a status list of {} cannot be fetched: {}",
            self.state.policy.issuer(),
            Shown(error)
        );
        tracked.failed(now);
        if !known && !tracked.named {
            self.tracked.remove(uri); // some token's word alone is no reason to go on
        }
    }

    /// A request has a token whose list is not known, or too old.
    pub(in crate::remote) fn asked_for(&mut self, uri: &str, now: Instant) {
        if let Some(tracked) = self.tracked.get_mut(uri) {
            if !tracked.is_under_way() {
                tracked.hurry(now);
            }
        } else if !self.track(uri, false, now)
            && let Some(revocation) = self.revocation()
        {
            revocation.requests.is_over(uri, false);
        }
    }

    /// The event stream has something to say about a list. One that is not known is looked up where all are named: the
    /// stream alone causes no fetch of just any URI.
    pub(in crate::remote) fn heard_of(&mut self, event: &ListChange, now: Instant) {
        let known = self.answered(&event.uri);
        match self.tracked.get_mut(event.uri.as_str()) {
            Some(tracked) => tracked.hear_of(event.revision, known, now),
            None if self.state.list_urls(&event.uri).is_ok() => self.directory.hurry(now),
            None => {}
        }
    }

    /// The key set has changed: a list that nobody can vouch for any more is fetched anew, and holds until then.
    pub(in crate::remote) fn replace_what_lost_its_key(&mut self, now: Instant) {
        for (uri, held) in self.revocation().map(|revocation| revocation.lists.all()).unwrap_or_default() {
            if !self.still_has_its_key(&held.signed)
                && let Some(tracked) = self.tracked.get_mut(&uri)
            {
                tracked.hurry(now);
            }
        }
    }

    /// The event stream has broken off: changes are asked for, in one question where there is one.
    pub(in crate::remote) fn without_stream(&mut self, now: Instant) {
        if self.names_have_revisions {
            self.directory.poll(now);
        } else {
            self.ask_regularly(now);
        }
    }

    /// Each list is asked for as often as it says.
    fn ask_regularly(&mut self, now: Instant) {
        let Some(revocation) = self.state.lists.as_ref() else { return };
        for (uri, tracked) in &mut self.tracked {
            let held = revocation.lists.held(uri);
            tracked.ask_regularly(held.as_ref().map(|held| &*held.signed), now);
        }
    }

    /// These are all the lists of the issuer.
    fn name(&mut self, uris: &[String], now: Instant) {
        for tracked in self.tracked.values_mut() {
            tracked.named = false;
        }
        let before = std::mem::take(&mut self.left_out);
        for uri in uris {
            match self.tracked.get_mut(uri.as_str()) {
                Some(tracked) => tracked.named = true,
                None => self.left_out += usize::from(!self.track(uri, true, now)),
            }
        }
        if self.left_out > 0 && self.left_out != before {
            log::warn!("{} status lists are left out: they are too many, or not the issuer's", self.left_out);
        }
        self.retire();
    }

    /// Takes a list up, if it is the issuer's and there is room.
    fn track(&mut self, uri: &str, named: bool, now: Instant) -> bool {
        let most = self.revocation().map_or(0, |revocation| revocation.limits.lists);
        let taken = self.tracked.len() < most && self.state.list_urls(uri).is_ok();
        if taken {
            self.tracked.insert(uri.into(), Tracked::new(named, now));
        }
        taken
    }

    /// Forgets the lists that the issuer does not name, and no token does that may still come.
    fn retire(&mut self) {
        let Some(revocation) = self.state.lists.as_ref() else { return };
        let now = self.clock.now();
        let before = self.tracked.len();
        self.tracked.retain(|uri, tracked| {
            let needed = revocation.lists.needed_until(uri).saturating_add(KEPT_LONGER) > now;
            let keep = tracked.named || tracked.is_new() || tracked.is_under_way() || needed;
            if !keep {
                revocation.lists.drop(uri);
                self.set_back.remove(uri);
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

    /// The revision of the list that the issuer answered with last.
    fn answered(&self, uri: &str) -> Option<u64> {
        self.held(uri)?.latest().revision
    }
}
