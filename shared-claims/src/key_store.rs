//! The key set in force: when it was loaded, and whether it is still fresh enough to judge by.
//!
//! Readers take no lock and never wait for a writer.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;

use crate::{KeySet, Refusal, clock::Instant};

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
    at: Instant,
}

impl KeyStore {
    #[cfg(feature = "remote")]
    pub(crate) fn with_max_age(max_age: Duration) -> Self {
        Self { max_age: Some(max_age), ..Self::default() }
    }

    /// Puts `keys` in force from now on.
    pub(crate) fn set(&self, keys: Arc<KeySet>) {
        self.current.store(Some(Arc::new(Loaded { keys, at: Instant::now() })));
    }

    /// The keys, if there are any and they are fresh enough.
    pub(crate) fn usable(&self) -> Result<Arc<KeySet>, Refusal> {
        let current = self.current.load();
        let fresh =
            current.as_ref().filter(|loaded| self.max_age.is_none_or(|max| loaded.at.elapsed() <= max));
        fresh.map(|loaded| Arc::clone(&loaded.keys)).ok_or(Refusal::Unavailable)
    }

    /// Whether these are the keys in force.
    #[cfg(feature = "remote")]
    pub(crate) fn holds(&self, keys: &KeySet) -> bool {
        self.current.load().as_ref().is_some_and(|loaded| loaded.keys.is_same_as(keys))
    }

    /// How long ago the keys were loaded or confirmed, also when that is too long.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.current.load().as_ref().map(|loaded| loaded.at.elapsed())
    }
}
