//! The status lists in memory: what requests read, and what the background task writes. No I/O.
//!
//! Readers take no lock. A list has one [`ListSlot`] for as long as it is kept, whatever is put into it: whoever holds the
//! slot and an index can check a bit again without looking anything up.

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
    /// A list that could not be confirmed for so long is not used.
    max_age: Duration,
}

/// Where a list is kept.
#[derive(Default)]
pub(crate) struct ListSlot {
    current: ArcSwapOption<Held>,
    /// The latest `exp` of a token that named the list, in seconds since 1970.
    needed_until: AtomicU64,
}

impl Lists {
    pub(in crate::remote) fn new(max_age: Duration) -> Self {
        Self { slots: ArcSwap::default(), max_age }
    }

    /// What the list `uri` says about the token at slot `idx` that expires at `exp`, in seconds since 1970. `None`: no
    /// such list is known.
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

    /// Where the list `uri` is kept.
    pub(in crate::remote) fn slot(&self, uri: &str) -> Option<Arc<ListSlot>> {
        self.slots.load().get(uri).cloned()
    }

    /// What is said about slot `idx` of the list that is kept there.
    pub(in crate::remote) fn check_slot(&self, slot: &ListSlot, idx: u64, now: Now) -> Result<(), Refusal> {
        slot.check(idx, now, self.max_age)
    }

    /// Puts in a list, in slot of the one that is held.
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

    /// Forgets a list. Whoever still holds its slot learns that it is gone.
    pub(in crate::remote) fn drop(&self, uri: &str) {
        if let Some(slot) = self.slots.load().get(uri) {
            slot.current.store(None);
        }
        self.change(|slots| {
            slots.remove(uri);
        });
    }

    /// A new map for every change: they are rare, and readers never wait.
    fn change(&self, apply: impl Fn(&mut HashMap<Arc<str>, Arc<ListSlot>>)) {
        self.slots.rcu(|slots| {
            let mut changed = HashMap::clone(slots);
            apply(&mut changed);
            changed
        });
    }

    /// The list as it is held.
    pub(in crate::remote) fn held(&self, uri: &str) -> Option<Arc<Held>> {
        self.slots.load().get(uri)?.current.load_full()
    }

    /// All of them, in no order.
    pub(in crate::remote) fn all(&self) -> Vec<(Arc<str>, Arc<Held>)> {
        let slots = self.slots.load();
        let held = slots.iter().map(|(uri, slot)| Some((Arc::clone(uri), slot.current.load_full()?)));
        held.flatten().collect()
    }

    /// Until when a token names the list, in seconds since 1970; 0 when none did so far.
    pub(in crate::remote) fn needed_until(&self, uri: &str) -> u64 {
        self.slots.load().get(uri).map_or(0, |slot| slot.needed_until.load(Ordering::Relaxed))
    }

    /// Keeps the list until then, as a token would that expires then.
    pub(in crate::remote) fn need(&self, uri: &str, until: u64) {
        if let Some(slot) = self.slots.load().get(uri) {
            slot.need(until);
        }
    }

    pub(in crate::remote) fn len(&self) -> usize {
        self.slots.load().len()
    }

    /// How many there are, and how long ago the one was confirmed that has waited longest.
    pub(in crate::remote) fn count_and_oldest(&self, now: Instant) -> (usize, Duration) {
        let all = self.all();
        (all.len(), all.iter().map(|(_, held)| held.seen.freshness.age_at(now)).max().unwrap_or_default())
    }
}

impl ListSlot {
    /// What is said about slot `idx`: nothing without a list that is fresh enough.
    pub(crate) fn check(&self, idx: u64, now: Now, max_age: Duration) -> Result<(), Refusal> {
        let current = self.current.load();
        let held =
            current.as_ref().filter(|held| held.is_usable(now, max_age)).ok_or(Refusal::Unavailable)?;
        match held.get(idx) {
            Some(0) => Ok(()),
            Some(_) => Err(Refusal::Revoked),
            None => Err(Refusal::Malformed("no such slot in the status list")),
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
        write!(f, "{} status lists", self.slots.load().len())
    }
}
