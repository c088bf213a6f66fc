//! The current key set, when it was loaded, and whether it is fresh enough to be used.
//!
//! Readers take no lock and never wait for a writer.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;

use crate::{
    clock::{Clock, Freshness},
    error::refusal::Refusal,
    keys::key_set::KeySet,
};

/// Holds at most one key set.
#[derive(Debug, Default)]
pub(crate) struct KeyStore {
    current: ArcSwapOption<Loaded>,
    /// Older keys are not used; `None` for a fixed key set.
    max_age: Option<Duration>,
}

#[derive(Debug)]
struct Loaded {
    keys: Arc<KeySet>,
    freshness: Freshness,
    /// Kept with the keys so that both change at once.
    generation: u64,
}

impl KeyStore {
    #[cfg(feature = "remote")]
    pub(crate) fn with_max_age(max_age: Duration) -> Self {
        Self { max_age: Some(max_age), ..Self::default() }
    }

    /// Replaces the keys by `keys`, which are current.
    pub(crate) fn set(&self, keys: &Arc<KeySet>, clock: &Clock) {
        self.set_aged(keys, Freshness::at(clock.instant()));
    }

    /// Replaces the keys by `keys`, which were last current at `freshness`.
    pub(crate) fn set_aged(&self, keys: &Arc<KeySet>, freshness: Freshness) {
        self.current.rcu(|current| {
            let generation = current
                .as_ref()
                .map_or(1, |current| current.generation + u64::from(!current.keys.is_same_as(keys)));
            Some(Arc::new(Loaded { keys: Arc::clone(keys), freshness, generation }))
        });
    }

    /// Returns the keys and their generation, if they are fresh enough.
    pub(crate) fn usable(&self, clock: &Clock) -> Result<(Arc<KeySet>, u64), Refusal> {
        let current = self.current.load();
        let fresh = current.as_ref().filter(|loaded| self.is_fresh(loaded, clock));
        fresh.map(|loaded| (Arc::clone(&loaded.keys), loaded.generation)).ok_or(Refusal::Unavailable)
    }

    /// Returns the generation of the keys, if they are fresh enough.
    pub(crate) fn usable_generation(&self, clock: &Clock) -> Option<u64> {
        let current = self.current.load();
        current.as_ref().filter(|loaded| self.is_fresh(loaded, clock)).map(|loaded| loaded.generation)
    }

    fn is_fresh(&self, loaded: &Loaded, clock: &Clock) -> bool {
        self.max_age.is_none_or(|max| loaded.freshness.age_at(clock.instant()) <= max)
    }

    /// Returns the keys, however old they are.
    #[cfg(feature = "remote")]
    pub(crate) fn latest(&self) -> Option<Arc<KeySet>> {
        self.current.load().as_ref().map(|loaded| Arc::clone(&loaded.keys))
    }

    /// Returns a number that rises with each change of the key set: a token that was verified under an earlier generation may
    /// be signed by a key that is gone. 0 while there are no keys.
    #[cfg(feature = "remote")]
    pub(crate) fn generation(&self) -> u64 {
        self.current.load().as_ref().map_or(0, |loaded| loaded.generation)
    }

    /// Returns how long ago the keys were loaded or confirmed, even if that is too long.
    pub(crate) fn age(&self, clock: &Clock) -> Option<Duration> {
        self.current.load().as_ref().map(|loaded| loaded.freshness.age_at(clock.instant()))
    }
}
