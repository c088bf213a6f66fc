//! The key set in force: when it was loaded, and whether it is still fresh enough to judge by.
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
    /// Older keys are not used; `None` for keys that somebody set by hand.
    max_age: Option<Duration>,
}

#[derive(Debug)]
struct Loaded {
    keys: Arc<KeySet>,
    freshness: Freshness,
    /// Stands beside the keys so that both change at one moment.
    generation: u64,
}

impl KeyStore {
    #[cfg(feature = "remote")]
    pub(crate) fn with_max_age(max_age: Duration) -> Self {
        Self { max_age: Some(max_age), ..Self::default() }
    }

    /// Puts `keys` in force, which are current.
    pub(crate) fn set(&self, keys: &Arc<KeySet>, clock: &Clock) {
        self.set_aged(keys, Freshness::at(clock.instant()));
    }

    /// Puts `keys` in force that were current so long ago.
    pub(crate) fn set_aged(&self, keys: &Arc<KeySet>, freshness: Freshness) {
        self.current.rcu(|current| {
            let generation = current
                .as_ref()
                .map_or(1, |current| current.generation + u64::from(!current.keys.is_same_as(keys)));
            Some(Arc::new(Loaded { keys: Arc::clone(keys), freshness, generation }))
        });
    }

    /// The keys and their generation, if there are any and they are fresh enough.
    pub(crate) fn usable(&self, clock: &Clock) -> Result<(Arc<KeySet>, u64), Refusal> {
        let current = self.current.load();
        let fresh = current.as_ref().filter(|loaded| self.is_fresh(loaded, clock));
        fresh.map(|loaded| (Arc::clone(&loaded.keys), loaded.generation)).ok_or(Refusal::Unavailable)
    }

    /// The generation of the keys, if they are fresh enough.
    pub(crate) fn usable_generation(&self, clock: &Clock) -> Option<u64> {
        let current = self.current.load();
        current.as_ref().filter(|loaded| self.is_fresh(loaded, clock)).map(|loaded| loaded.generation)
    }

    fn is_fresh(&self, loaded: &Loaded, clock: &Clock) -> bool {
        self.max_age.is_none_or(|max| loaded.freshness.age_at(clock.instant()) <= max)
    }

    /// The keys, however old they are.
    #[cfg(feature = "remote")]
    pub(crate) fn latest(&self) -> Option<Arc<KeySet>> {
        self.current.load().as_ref().map(|loaded| Arc::clone(&loaded.keys))
    }

    /// Rises whenever the key set becomes another one: what was verified under an earlier generation may be signed by a
    /// key that is gone. 0 while there are no keys.
    #[cfg(feature = "remote")]
    pub(crate) fn generation(&self) -> u64 {
        self.current.load().as_ref().map_or(0, |loaded| loaded.generation)
    }

    /// How long ago the keys were loaded or confirmed, also when that is too long.
    pub(crate) fn age(&self, clock: &Clock) -> Option<Duration> {
        self.current.load().as_ref().map(|loaded| loaded.freshness.age_at(clock.instant()))
    }
}
