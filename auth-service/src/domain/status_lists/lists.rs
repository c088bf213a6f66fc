//! The status lists of this process: indexes for new sessions, signed lists, and what is published.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Notify, watch};

use crate::domain::audit::Audit;
use crate::domain::clock::{DatabaseClock, seconds};
use crate::domain::keyring::{Keyring, KeyringError};
use crate::domain::marks::Marks;
use crate::domain::policy::Policy;
use crate::domain::status_lists::indexes;
use crate::domain::status_lists::indexes::StatusIndexes;
use crate::domain::status_lists::latest_poll::LatestPoll;
use crate::domain::status_lists::list_index::ListIndex;
use crate::domain::status_lists::revisions::Revisions;
use crate::domain::status_lists::signed_list;
use crate::domain::status_lists::signed_list::{ListClaims, SignedList, StatusList};
use crate::domain::status_lists::status_index::{StatusIndex, aggregation_uri, indexes_of, list_uri};
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::revocations;

/// How lists are published.
#[derive(Debug, Clone, Copy)]
pub struct StatusListPolicy {
    /// How long a verifier may use a list that it cannot fetch again.
    pub lifetime: Duration,
    /// How long a verifier without a stream of events may keep a list without asking again.
    pub ttl: Duration,
}

/// The status lists, as this process knows them. [`poll`](Self::poll) brings them up to date with the database.
pub struct StatusLists {
    pub(super) store: Store,
    pub(super) keyring: Arc<Keyring>,
    pub(super) marks: Arc<Marks>,
    pub(super) audit: Audit,
    pub(super) clock: DatabaseClock,
    policy: Arc<Policy>,
    times: StatusListPolicy,
    pub(super) indexes: StatusIndexes,
    /// The outcome of the latest poll.
    pub(super) polled: LatestPoll,
    /// The revisions of the latest poll that succeeded.
    pub(super) latest: ArcSwap<Revisions>,
    /// The index document that was answered last.
    index: ArcSwapOption<ListIndex>,
    /// The revisions that listeners know.
    published: watch::Sender<Arc<Revisions>>,
    /// Wakes the task that publishes.
    revoked: Notify,
    signed: Mutex<HashMap<i64, Arc<SignedList>>>,
    /// Held by the request that signs a list.
    signing: tokio::sync::Mutex<()>,
}

impl StatusLists {
    /// Creates the status lists of a process over what they are made from.
    #[must_use]
    pub fn new(
        store: Store,
        keyring: Arc<Keyring>,
        marks: Arc<Marks>,
        audit: Audit,
        clock: DatabaseClock,
        policy: Arc<Policy>,
        times: StatusListPolicy,
    ) -> Self {
        Self {
            store,
            keyring,
            marks,
            audit,
            clock,
            policy,
            times,
            indexes: StatusIndexes::default(),
            polled: LatestPoll::default(),
            latest: ArcSwap::default(),
            index: ArcSwapOption::default(),
            published: watch::Sender::default(),
            revoked: Notify::new(),
            signed: Mutex::default(),
            signing: tokio::sync::Mutex::default(),
        }
    }

    /// Makes the lists of the indexes that will be assigned first, so that verifiers know them by then, and publishes what
    /// there is. Called before there are listeners: the first event has the whole state.
    ///
    /// # Errors
    /// The store's.
    pub async fn publish_first(&self) -> Result<(), StoreError> {
        if self.policy.statuses {
            let moment = self.clock.moment();
            self.store.write(move |db| indexes::publish_lists(db, moment)).await?;
        }
        self.poll().await?;
        self.publish_polled();
        Ok(())
    }

    /// Takes an index for a new session or client; `None` when tokens carry no status.
    ///
    /// # Errors
    /// The store's, when more indexes have to be leased.
    pub async fn take_index(&self) -> Result<Option<StatusIndex>, StoreError> {
        if !self.policy.statuses {
            return Ok(None);
        }
        self.indexes.take(&self.store, self.clock.moment()).await.map(Some)
    }

    /// Takes back an index that was certainly not used.
    pub fn give_back(&self, index: StatusIndex) {
        self.indexes.give_back(index);
    }

    /// Has revocations of this process published soon.
    pub fn publish(&self) {
        self.revoked.notify_one();
    }

    /// Waits for [`publish`](Self::publish).
    pub(in crate::domain) async fn publication_due(&self) {
        self.revoked.notified().await;
    }

    /// Publishes the revisions of the latest poll, if they differ from those that listeners know.
    pub(in crate::domain) fn publish_polled(&self) {
        let latest = self.latest.load_full();
        self.published.send_if_modified(|published| {
            let changed = **published != *latest;
            *published = latest;
            changed
        });
    }

    /// Follows what is published: the present value, and a notice at each change.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Revisions>> {
        self.published.subscribe()
    }

    /// Returns the URI of a list, which is also its `sub`.
    #[must_use]
    pub fn uri(&self, list: i64) -> String {
        list_uri(&self.policy.issuer, list)
    }

    /// Returns the index of the lists as the database has them now, and the revision of the key set. That revision is no part
    /// of the document: it may rise while no list changes.
    ///
    /// # Errors
    /// The store's.
    pub async fn index(&self) -> Result<(Arc<ListIndex>, i64), KeyringError> {
        let revisions = self.poll().await?;
        let keys = revisions.keys;
        if let Some(index) = self.index.load_full().filter(|index| index.is_of(&revisions)) {
            return Ok((index, keys));
        }
        let index = ListIndex::new(&revisions, |list| self.uri(list)).map_err(|_| KeyringError::Crypto)?;
        let index = Arc::new(index);
        self.index.store(Some(Arc::clone(&index)));
        Ok((index, keys))
    }

    /// Returns a list as the database has it now; `None` when it is not published.
    ///
    /// # Errors
    /// The store's, or [`KeyringError::Crypto`] when the list could not be signed.
    pub async fn list(&self, list: i64) -> Result<Option<Arc<SignedList>>, KeyringError> {
        let Some(revision) = self.poll().await?.lists.get(&list).copied() else { return Ok(None) };
        if let Some(signed) = self.current_list(list, revision) {
            return Ok(Some(signed));
        }
        let _alone = self.signing.lock().await;
        if let Some(signed) = self.current_list(list, revision) {
            return Ok(Some(signed));
        }
        let signed = Arc::new(self.sign(list, revision).await?);
        self.signed().insert(list, Arc::clone(&signed));
        Ok(Some(signed))
    }

    /// Drops the signed lists that are not published any more.
    pub(super) fn retain(&self, revisions: &Revisions) {
        self.signed().retain(|list, _| revisions.lists.contains_key(list));
    }

    /// Returns the signed list in memory, if it has this revision or a later one, and signing it again would give the same.
    fn current_list(&self, list: i64, revision: i64) -> Option<Arc<SignedList>> {
        let signed = self.signed().get(&list).cloned()?;
        let now = self.clock.now();
        let current = signed.revision >= revision
            && signed.iat == self.rounded(now)
            && self.keyring.signs(&signed.kid, now);
        current.then_some(signed)
    }

    /// Rounds a time down, so that replicas agree on the `iat` of a list. A list is signed 24 times in its lifetime.
    fn rounded(&self, now: i64) -> i64 {
        now - now.rem_euclid((seconds(self.times.lifetime) / 24).max(1))
    }

    async fn sign(&self, list: i64, revision: i64) -> Result<SignedList, KeyringError> {
        let moment = self.clock.moment();
        let (now, over, indexes) = (moment.now, moment.over(), indexes_of(list));
        let compress = move |db: &mut Connection| {
            // The revision was read before: what was revoked since is in this list as well, and is published again. While the
            // clock is in doubt the list has every stored revocation: a verifier keeps it until the revision rises.
            let revoked = revocations::among(db, indexes.clone(), over)?;
            Ok::<_, StoreError>(signed_list::encode(revoked.into_iter().map(|index| index - indexes.start)))
        };
        let compressed = self.store.read(compress).await?;
        let (iat, uri, aggregation_uri) =
            (self.rounded(now), self.uri(list), aggregation_uri(&self.policy.issuer));
        let claims = ListClaims {
            iss: &self.policy.issuer,
            sub: &uri,
            iat,
            exp: iat.saturating_add(seconds(self.times.lifetime)),
            ttl: seconds(self.times.ttl).max(1),
            revision,
            status_list: StatusList { bits: 1, lst: compressed, aggregation_uri: &aggregation_uri },
        };
        let payload = serde_json::to_vec(&claims).map_err(|_| KeyringError::Crypto)?;
        let (token, kid) = self.keyring.sign_status_list(&payload, now)?;
        let token = token.into_bytes();
        let etag = format!("W/\"{revision}-{iat}-{kid}\"");
        Ok(SignedList { gzip: signed_list::gzip(&token), token, etag, revision, kid, iat })
    }

    fn signed(&self) -> MutexGuard<'_, HashMap<i64, Arc<SignedList>>> {
        self.signed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
