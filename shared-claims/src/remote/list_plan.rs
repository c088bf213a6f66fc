//! Which status lists are kept, and what replaces what: those that the issuer names, and those that tokens name. Decides,
//! and leaves fetching to others.

use std::{collections::HashMap, sync::Arc, time::Duration};

use reqwest::header::HeaderValue;
use tokio::time::Instant;
use url::Url;

use super::{
    directory::Directory,
    http::FetchError,
    list_fetch::Brought,
    list_token::{Age, SignedList},
    list_worker::Announced,
    shown::Shown,
    state::{Revocation, State},
    tracked::{Got, Tracked},
};
use crate::{clock::Freshness, verifier::Clock};

/// A list that the issuer no longer names is kept for so long after the last token that named it has expired, in seconds.
const KEPT_LONGER: u64 = 60 * 60;

/// The lists that are kept current, and when each is due.
pub(super) struct Plan {
    state: Arc<State>,
    clock: Clock,
    tracked: HashMap<Arc<str>, Tracked>,
    directory: Directory,
}

impl Plan {
    /// Begins with what is known from the snapshot. `None` when no status is looked up.
    pub(super) fn new(state: Arc<State>, clock: Clock, now: Instant) -> Option<Self> {
        let known = state.lists.as_ref()?.lists.all();
        let tracked = known.into_iter().map(|(uri, _)| (uri, Tracked::new(false, now))).collect();
        Some(Self { state, clock, tracked, directory: Directory::new(now) })
    }

    /// When there is something to do.
    pub(super) fn next(&self) -> Instant {
        let lists = self.tracked.values().map(Tracked::next);
        lists.fold(self.directory.next(), Instant::min)
    }

    /// The lists to fetch now, with their `ETag`s.
    pub(super) fn begin_lists(&mut self, room: usize, now: Instant) -> Vec<(Arc<str>, Option<HeaderValue>)> {
        let due = self.tracked.iter_mut().filter(|(_, tracked)| tracked.next() <= now).take(room);
        due.map(|(uri, tracked)| (Arc::clone(uri), tracked.begin(now))).collect()
    }

    /// Where the names of all lists are to be read now. Issuers that do not name them have theirs retired all the same;
    /// nothing is, while no issuer has spoken.
    pub(super) fn begin_names(&mut self, now: Instant) -> Option<Url> {
        if self.directory.next() > now {
            return None;
        }
        let endpoints = self.state.endpoints.borrow().clone();
        let url = endpoints.as_ref().and_then(|endpoints| endpoints.lists.clone());
        if url.is_some() {
            self.directory.begin(now);
        } else {
            self.directory.skip(now);
            if endpoints.is_some() {
                self.retire();
            }
        }
        url
    }

    /// There is a reason to read the names before it is time.
    pub(super) fn read_names(&mut self, now: Instant) {
        self.directory.hurry(now);
    }

    pub(super) fn take_names(&mut self, names: &Result<Vec<String>, FetchError>, now: Instant) {
        match names {
            Ok(uris) => self.name(uris, now),
            Err(error) => {
                let level = if self.directory.failures == 0 { log::Level::Warn } else { log::Level::Debug };
                let issuer = self.state.policy.issuer();
                log::log!(
                    level,
                    "the names of the status lists of {issuer} cannot be fetched: {}",
                    Shown(error)
                );
            }
        }
        self.directory.ended(names.is_ok(), now);
    }

    /// Puts in what was fetched, if it is good, and lets those go on who waited for it.
    pub(super) fn take_list(&mut self, uri: &Arc<str>, brought: Result<Brought, FetchError>, now: Instant) {
        let kept = brought.map_err(|error| error.to_string());
        let kept = kept.and_then(|brought| self.keep(uri, brought, now));
        let found = kept.is_ok();
        if let Err(error) = kept {
            self.failed(uri, &error, now);
        }
        if let Some(revocation) = self.revocation() {
            revocation.asks.is_over(uri, found);
        }
    }

    /// Puts in what was fetched, or says why it is no good.
    fn keep(&mut self, uri: &Arc<str>, brought: Brought, now: Instant) -> Result<(), String> {
        let Some(revocation) = self.state.lists.as_ref() else { return Ok(()) };
        let known = revocation.lists.held(uri).map(|held| Arc::clone(&held.signed));
        let (list, etag) = self.newest(brought, known.as_ref())?;
        let wall = self.clock.now();
        revocation.lists.put(uri, Arc::clone(&list), wall, Freshness::at(self.clock.instant()));
        if known.is_none_or(|known| !Arc::ptr_eq(&known, &list)) {
            log::debug!("the status list {} has revision {:?}", Shown(uri), list.revision);
            self.state.unsaved.notify_one();
        }
        if let Some(tracked) = self.tracked.get_mut(uri) {
            let left = list.exp.map(|exp| Duration::from_secs(exp.saturating_sub(wall)));
            let (is_old, streaming) = (list.is_old(wall), *self.state.streaming.borrow());
            tracked.succeeded(&Got { list: &list, etag: etag.as_ref(), left, is_old, streaming }, now);
        }
        Ok(())
    }

    /// What was fetched, or what is known when that says the same. An older one never replaces a newer one.
    fn newest(
        &self,
        brought: Brought,
        known: Option<&Arc<SignedList>>,
    ) -> Result<(Arc<SignedList>, Option<HeaderValue>), String> {
        let (list, etag) = match (brought, known) {
            (Brought::Unchanged(etag), Some(known)) => return Ok((Arc::clone(known), etag)),
            (Brought::Unchanged(_), None) => {
                return Err("nothing is known that could be unchanged".to_owned());
            }
            (Brought::List(list, etag), _) => (list, etag),
        };
        match known.filter(|known| self.still_has_its_key(known)) {
            Some(known) => match list.compared_with(known) {
                Age::Newer => Ok((Arc::from(list), etag)),
                Age::Same => Ok((Arc::clone(known), etag)),
                Age::Older => Err("a list older than the one that is known".to_owned()),
            },
            None => Ok((Arc::from(list), etag)),
        }
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
    pub(super) fn asked_for(&mut self, uri: &str, now: Instant) {
        if let Some(tracked) = self.tracked.get_mut(uri) {
            if !tracked.is_under_way() {
                tracked.hurry(now);
            }
        } else if !self.track(uri, false, now)
            && let Some(revocation) = self.revocation()
        {
            revocation.asks.is_over(uri, false);
        }
    }

    /// The event stream has something to say about a list. One that is not known is looked up where all are named: the
    /// stream alone causes no fetch of just any URI.
    pub(super) fn heard_of(&mut self, event: &Announced, now: Instant) {
        let known = self.held(&event.uri).and_then(|list| list.revision);
        match self.tracked.get_mut(event.uri.as_str()) {
            Some(tracked) => tracked.hear_of(event.revision, known, now),
            None if self.state.list_urls(&event.uri).is_ok() => self.directory.hurry(now),
            None => {}
        }
    }

    /// The key set has changed: a list that nobody can vouch for any more is fetched anew, and holds until then.
    pub(super) fn replace_what_lost_its_key(&mut self, now: Instant) {
        for (uri, held) in self.revocation().map(|revocation| revocation.lists.all()).unwrap_or_default() {
            if !self.still_has_its_key(&held.signed)
                && let Some(tracked) = self.tracked.get_mut(&uri)
            {
                tracked.hurry(now);
            }
        }
    }

    /// The event stream has broken off.
    pub(super) fn ask_regularly(&mut self, now: Instant) {
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
        let mut left_out = 0;
        for uri in uris {
            match self.tracked.get_mut(uri.as_str()) {
                Some(tracked) => tracked.named = true,
                None => left_out += u32::from(!self.track(uri, true, now)),
            }
        }
        if left_out > 0 {
            log::warn!("{left_out} status lists are left out: they are too many, or not the issuer's");
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

    fn held(&self, uri: &str) -> Option<Arc<SignedList>> {
        Some(Arc::clone(&self.revocation()?.lists.held(uri)?.signed))
    }
}
