//! Polling the database for what other processes have changed: keys, lists, the epoch.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::domain::marks;
use crate::domain::marks::Standing;
use crate::domain::status_lists::lists::StatusLists;
use crate::domain::status_lists::revisions::Revisions;
use crate::store::error::StoreError;
use crate::store::issuance::Issuance;

impl StatusLists {
    /// Polls the database, and returns the revisions. Of several concurrent calls one asks the database; each learns what was
    /// there when it called, or later.
    ///
    /// # Errors
    /// The store's.
    pub async fn poll(&self) -> Result<Arc<Revisions>, StoreError> {
        let called = Instant::now();
        let mut latest = self.polled.outcome.lock().await;
        if let Some((_, outcome)) = latest.as_ref().filter(|(began, _)| *began >= called) {
            return outcome.clone().map(|()| self.latest.load_full());
        }
        let begins = Instant::now();
        let outcome = self.ask_database().await;
        *latest = Some((begins, outcome.clone()));
        outcome.map(|()| self.latest.load_full())
    }

    async fn ask_database(&self) -> Result<(), StoreError> {
        if let Some(chain) = self.audit.chain() {
            self.marks.follow_chain(chain);
        }
        let Some(Standing { issuance, lists, .. }) = self.marks.check(&self.store).await? else {
            return Err(marks::set_back());
        };
        self.adopt_keys(&issuance).await;
        // The database's revision, also while its keys cannot be loaded: verifiers then ask here or at another replica.
        let revisions = Revisions { keys: issuance.keys_revision, lists: lists.into_iter().collect() };
        self.retain(&revisions);
        self.latest.store(Arc::new(revisions));
        Ok(())
    }

    /// Adopts the keys that other processes changed. Keys that cannot be adopted are not used: see [`Keyring::follow`].
    ///
    /// [`Keyring::follow`]: crate::domain::keyring::Keyring::follow
    async fn adopt_keys(&self, issuance: &Issuance) {
        if self.keyring.epoch() != issuance.epoch {
            self.indexes.forget();
        }
        let over = self.clock.moment().over();
        if self.keyring.is_current(issuance, over) {
            return;
        }
        let adopted = self.keyring.follow(&self.store, issuance, over).await;
        if let Err(error) = &adopted
            && !error.is_reported()
            && !self.polled.keys_failed.load(Ordering::Relaxed)
        {
            log::error!("the keys that other processes made could not be adopted: {error}");
        }
        self.polled.keys_failed.store(adopted.is_err(), Ordering::Relaxed);
    }
}
