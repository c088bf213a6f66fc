//! The status lists in memory, which requests read and the background task writes.
//!
//! Readers take no lock. Each list has one [`ListSlot`] for as long as it is kept, whatever is stored in it. With a slot
//! and an index, a status can be checked again without a lookup.

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
    slots: ArcSwap<HashMap<Arc<str>, Arc<ListSlot>>>,
    /// A list that was not confirmed for this long is not used.
    max_age: Duration,
}

/// The slot of a list.
#[derive(Default)]
pub(crate) struct ListSlot {
    current: ArcSwapOption<Held>,
    /// The latest `exp` of a token that named the list, in seconds since 1970.
    needed_until: AtomicU64,
}

/// The entry of a token: the slot of its list, and its index there.
pub(crate) struct StatusEntry {
    pub(in crate::remote) slot: Arc<ListSlot>,
    pub(in crate::remote) idx: u64,
}

impl Lists {
    pub(in crate::remote) fn new(max_age: Duration) -> Self {
        Self { slots: ArcSwap::default(), max_age }
    }

    /// Checks the status at the index `idx` of the list `uri`, for a token that expires at `exp`, in seconds since 1970. `None`
    /// if the list is unknown.
    pub(in crate::remote) fn check(
        &self,
        uri: &str,
        idx: u64,
        exp: u64,
        now: Now,
    ) -> Option<Result<(), Refusal>> {
        let slots = self.slots.load();
        let slot = slots.get(uri)?;
        slot.need(exp);
        Some(slot.check(idx, now, self.max_age))
    }

    /// Returns the slot of the list `uri`.
    pub(in crate::remote) fn slot(&self, uri: &str) -> Option<Arc<ListSlot>> {
        self.slots.load().get(uri).cloned()
    }

    /// Checks the status of an entry.
    pub(in crate::remote) fn check_entry(&self, entry: &StatusEntry, now: Now) -> Result<(), Refusal> {
        entry.slot.check(entry.idx, now, self.max_age)
    }

    /// Stores a list, replacing the one in its slot.
    pub(in crate::remote) fn put(&self, uri: &Arc<str>, held: Held) {
        let held = Arc::new(held);
        if let Some(slot) = self.slots.load().get(uri) {
            slot.current.store(Some(held));
            return;
        }
        let slot =
            Arc::new(ListSlot { current: ArcSwapOption::new(Some(held)), needed_until: AtomicU64::new(0) });
        self.change(|slots| {
            slots.insert(Arc::clone(uri), Arc::clone(&slot));
        });
    }

    /// Drops a list. For those that still have its slot, the list is unavailable.
    pub(in crate::remote) fn drop(&self, uri: &str) {
        if let Some(slot) = self.slots.load().get(uri) {
            slot.current.store(None);
        }
        self.change(|slots| {
            slots.remove(uri);
        });
    }

    /// Replaces the map. Changes are rare, and readers never wait.
    fn change(&self, apply: impl Fn(&mut HashMap<Arc<str>, Arc<ListSlot>>)) {
        self.slots.rcu(|slots| {
            let mut changed = HashMap::clone(slots);
            apply(&mut changed);
            changed
        });
    }

    /// Returns a list.
    pub(in crate::remote) fn held(&self, uri: &str) -> Option<Arc<Held>> {
        self.slots.load().get(uri)?.current.load_full()
    }

    /// Returns all lists, in no particular order.
    pub(in crate::remote) fn all(&self) -> Vec<(Arc<str>, Arc<Held>)> {
        let slots = self.slots.load();
        let held = slots.iter().map(|(uri, slot)| Some((Arc::clone(uri), slot.current.load_full()?)));
        held.flatten().collect()
    }

    /// Returns until when tokens name the list, in seconds since 1970; 0 if none has.
    pub(in crate::remote) fn needed_until(&self, uri: &str) -> u64 {
        self.slots.load().get(uri).map_or(0, |slot| slot.needed_until.load(Ordering::Relaxed))
    }

    /// Keeps the list as if a token that expires at `until` had named it.
    pub(in crate::remote) fn need(&self, uri: &str, until: u64) {
        if let Some(slot) = self.slots.load().get(uri) {
            slot.need(until);
        }
    }

    pub(in crate::remote) fn len(&self) -> usize {
        self.slots.load().len()
    }

    /// Returns how many lists there are, and how long ago the oldest was confirmed.
    pub(in crate::remote) fn count_and_oldest(&self, now: Instant) -> (usize, Duration) {
        let all = self.all();
        (all.len(), all.iter().map(|(_, held)| held.seen.freshness.age_at(now)).max().unwrap_or_default())
    }
}

impl ListSlot {
    /// Checks the status at the index `idx`. The list must be fresh enough.
    pub(crate) fn check(&self, idx: u64, now: Now, max_age: Duration) -> Result<(), Refusal> {
        let current = self.current.load();
        let held =
            current.as_ref().filter(|held| held.is_usable(now, max_age)).ok_or(Refusal::Unavailable)?;
        match held.get(idx) {
            Some(0) => Ok(()),
            Some(_) => Err(Refusal::Revoked),
            None => Err(Refusal::Malformed("no such index in the status list")),
        }
    }

    /// Reads first, because all threads share this word and tokens that expire later are rare.
    fn need(&self, exp: u64) {
        if self.needed_until.load(Ordering::Relaxed) < exp {
            self.needed_until.fetch_max(exp, Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for Lists {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} status lists", self.slots.load().len())
    }
}
