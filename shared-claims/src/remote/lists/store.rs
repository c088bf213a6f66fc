//! The status lists in memory: what requests read, and what the background task writes. No I/O.
//!
//! Readers take no lock. A list has one [`Place`] for as long as it is kept, whatever is put into it: whoever holds the
//! place and an index can check a bit again without looking anything up.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};

use super::held::{Held, Now};
use crate::{clock::Instant, error::refusal::Refusal};

/// All lists, by their URIs.
pub(crate) struct Lists {
    places: ArcSwap<HashMap<Arc<str>, Arc<Place>>>,
    /// A list that could not be confirmed for so long is not used.
    max_age: Duration,
}

/// Where a list is kept.
#[derive(Default)]
pub(crate) struct Place {
    current: ArcSwapOption<Held>,
    /// The latest `exp` of a token that named the list, in seconds since 1970.
    needed_until: AtomicU64,
}

impl Lists {
    pub(in crate::remote) fn new(max_age: Duration) -> Self {
        Self { places: ArcSwap::default(), max_age }
    }

    /// What the list `uri` says about the token at place `idx` that expires at `exp`, in seconds since 1970. `None`: no
    /// such list is known.
    pub(in crate::remote) fn check(
        &self,
        uri: &str,
        idx: u64,
        exp: u64,
        now: Now,
    ) -> Option<Result<(), Refusal>> {
        let places = self.places.load();
        let place = places.get(uri)?;
        place.need(exp);
        Some(place.check(idx, now, self.max_age))
    }

    /// Where the list `uri` is kept.
    pub(in crate::remote) fn place(&self, uri: &str) -> Option<Arc<Place>> {
        self.places.load().get(uri).cloned()
    }

    /// What is said about place `idx` of the list that is kept there.
    pub(in crate::remote) fn check_at(&self, place: &Place, idx: u64, now: Now) -> Result<(), Refusal> {
        place.check(idx, now, self.max_age)
    }

    /// Puts in a list, in place of the one that is held.
    pub(in crate::remote) fn put(&self, uri: &Arc<str>, held: Held) {
        let held = Arc::new(held);
        if let Some(place) = self.places.load().get(uri) {
            place.current.store(Some(held));
            return;
        }
        let place =
            Arc::new(Place { current: ArcSwapOption::new(Some(held)), needed_until: AtomicU64::new(0) });
        self.change(|places| {
            places.insert(Arc::clone(uri), Arc::clone(&place));
        });
    }

    /// Forgets a list. Whoever still holds its place learns that it is gone.
    pub(in crate::remote) fn drop(&self, uri: &str) {
        if let Some(place) = self.places.load().get(uri) {
            place.current.store(None);
        }
        self.change(|places| {
            places.remove(uri);
        });
    }

    /// A new map for every change: they are rare, and readers never wait.
    fn change(&self, apply: impl Fn(&mut HashMap<Arc<str>, Arc<Place>>)) {
        self.places.rcu(|places| {
            let mut changed = HashMap::clone(places);
            apply(&mut changed);
            changed
        });
    }

    /// The list as it is held.
    pub(in crate::remote) fn held(&self, uri: &str) -> Option<Arc<Held>> {
        self.places.load().get(uri)?.current.load_full()
    }

    /// All of them, in no order.
    pub(in crate::remote) fn all(&self) -> Vec<(Arc<str>, Arc<Held>)> {
        let places = self.places.load();
        let held = places.iter().map(|(uri, place)| Some((Arc::clone(uri), place.current.load_full()?)));
        held.flatten().collect()
    }

    /// Until when a token names the list, in seconds since 1970; 0 when none did so far.
    pub(in crate::remote) fn needed_until(&self, uri: &str) -> u64 {
        self.places.load().get(uri).map_or(0, |place| place.needed_until.load(Ordering::Relaxed))
    }

    /// Keeps the list until then, as a token would that expires then.
    pub(in crate::remote) fn need(&self, uri: &str, until: u64) {
        if let Some(place) = self.places.load().get(uri) {
            place.need(until);
        }
    }

    pub(in crate::remote) fn len(&self) -> usize {
        self.places.load().len()
    }

    /// How many there are, and how long ago the one was confirmed that has waited longest.
    pub(in crate::remote) fn count_and_oldest(&self, now: Instant) -> (usize, Duration) {
        let all = self.all();
        (all.len(), all.iter().map(|(_, held)| held.seen.freshness.age_at(now)).max().unwrap_or_default())
    }
}

impl Place {
    /// What is said about place `idx`: nothing without a list that is fresh enough.
    pub(crate) fn check(&self, idx: u64, now: Now, max_age: Duration) -> Result<(), Refusal> {
        let current = self.current.load();
        let held =
            current.as_ref().filter(|held| held.is_usable(now, max_age)).ok_or(Refusal::Unavailable)?;
        match held.get(idx) {
            Some(0) => Ok(()),
            Some(_) => Err(Refusal::Revoked),
            None => Err(Refusal::Malformed("no such place in the status list")),
        }
    }

    /// Read first, because all threads share this word, and tokens that expire later are rare.
    fn need(&self, exp: u64) {
        if self.needed_until.load(Ordering::Relaxed) < exp {
            self.needed_until.fetch_max(exp, Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for Lists {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} status lists", self.places.load().len())
    }
}
