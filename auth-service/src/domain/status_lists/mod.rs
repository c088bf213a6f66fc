//! Revocation that reaches verifiers which never call: status lists, and the news about them.
//!
//! Every session has a status list index, which its access tokens carry. What ends a session revokes the index in the same
//! transaction. Lists are computed from the database when a verifier asks, so that an answer is never older than the database,
//! and kept signed as long as nothing changes.

mod index;
mod indexes;
mod listeners;
pub mod status_index;
mod status_list;

pub use index::ListIndex;
pub use listeners::{Listener, Place, PlaceLimits, Places};
pub use status_list::SignedList;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Notify, watch};

use crate::domain::clock::seconds;
use crate::domain::issuer::Issuer;
use crate::domain::keyring::KeyringError;
use crate::domain::marks;
use crate::domain::marks::Standing;
use crate::domain::status_lists::status_index::{StatusIndex, aggregation_uri, indexes_of, list_uri};
use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;
use crate::store::issuance::Issuance;
use crate::store::{revocations, status_lists};
use indexes::StatusIndexes;
use status_list::{ListClaims, StatusList};

/// What verifiers are told: the revision of the keys, and of each list that is published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// Rises when the key set changes.
    pub keys: i64,
    /// The revision of each list, by its id.
    pub lists: BTreeMap<i64, i64>,
}

/// How lists are published.
#[derive(Debug, Clone, Copy)]
pub struct StatusListPolicy {
    /// How long a verifier may use a list that it cannot fetch again.
    pub lifetime: Duration,
    /// How long a verifier that hears no news may keep a list without asking again.
    pub ttl: Duration,
}

/// What this process knows of the lists. The database knows better: see [`Issuer::look`].
#[derive(Debug)]
pub struct StatusLists {
    pub(super) indexes: StatusIndexes,
    policy: StatusListPolicy,
    /// As it was at the latest look.
    latest: ArcSwap<News>,
    /// As it was answered last.
    index: ArcSwapOption<ListIndex>,
    /// As listeners were told.
    told: watch::Sender<Arc<News>>,
    /// Held by the one that looks; holds when the latest look began, and why it failed if it did.
    looked: tokio::sync::Mutex<Option<(Instant, Result<(), StoreError>)>>,
    /// Something was revoked by this process.
    changed: Notify,
    /// Whether the latest try to take over others' keys failed: it is logged once.
    keys_fail: AtomicBool,
    signed: Mutex<HashMap<i64, Arc<SignedList>>>,
    /// Held by the one that signs a list.
    signing: tokio::sync::Mutex<()>,
}

impl StatusLists {
    /// Lists to be published like this.
    #[must_use]
    pub fn new(policy: StatusListPolicy) -> Self {
        Self {
            indexes: StatusIndexes::default(),
            policy,
            latest: ArcSwap::default(),
            index: ArcSwapOption::default(),
            told: watch::Sender::default(),
            looked: tokio::sync::Mutex::default(),
            changed: Notify::new(),
            keys_fail: AtomicBool::new(false),
            signed: Mutex::default(),
            signing: tokio::sync::Mutex::default(),
        }
    }

    /// Tells the listeners soon what this process has revoked.
    pub(super) fn announce(&self) {
        self.changed.notify_one();
    }

    /// Waits until there is something to announce.
    pub(super) async fn announced(&self) {
        self.changed.notified().await;
    }

    /// Tells the listeners what the latest look has shown, if that is new.
    pub(super) fn tell(&self) {
        let latest = self.latest.load_full();
        self.told.send_if_modified(|told| {
            let news = **told != *latest;
            *told = latest;
            news
        });
    }

    fn signed(&self) -> MutexGuard<'_, HashMap<i64, Arc<SignedList>>> {
        self.signed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Revokes indexes until `until`, in unix seconds. They are written and their lists are raised in order, so that no two
/// transactions wait for each other.
pub(in crate::domain) fn revoke(
    db: &mut Connection,
    indexes: &mut [i64],
    until: i64,
) -> Result<(), StoreError> {
    indexes.sort_unstable();
    let mut lists = BTreeSet::new();
    for index in indexes {
        revocations::insert(db, *index, until)?;
        lists.insert(StatusIndex::from(*index).list());
    }
    lists.into_iter().try_for_each(|list| status_lists::raise(db, list))
}

impl Issuer {
    /// Publishes the lists of the numbers that will be given first, so that verifiers know them by then.
    ///
    /// # Errors
    /// The store's.
    pub async fn publish_lists(&self) -> Result<(), StoreError> {
        if self.policy.statuses {
            let moment = self.moment();
            self.store.write(move |db| indexes::publish_lists(db, moment)).await?;
        }
        // Before anyone listens: the first event is to say how things are.
        self.look().await?;
        self.lists.tell();
        Ok(())
    }

    /// The address of a list, which is also its `sub`.
    #[must_use]
    pub fn list_uri(&self, list: i64) -> String {
        list_uri(&self.policy.issuer, list)
    }

    /// Looks up what replicas have changed: keys, lists, the epoch. Of any number of callers at once one asks the database,
    /// and each learns what was there when it called, or later.
    ///
    /// # Errors
    /// The store's.
    pub async fn look(&self) -> Result<Arc<News>, StoreError> {
        let called = Instant::now();
        let mut looked = self.lists.looked.lock().await;
        if let Some((_, outcome)) = looked.as_ref().filter(|(began, _)| *began >= called) {
            return outcome.clone().map(|()| self.lists.latest.load_full());
        }
        let begins = Instant::now();
        let outcome = self.look_alone().await;
        *looked = Some((begins, outcome.clone()));
        outcome.map(|()| self.lists.latest.load_full())
    }

    async fn look_alone(&self) -> Result<(), StoreError> {
        if let Some(chain) = self.audit.chain() {
            self.marks.follow_chain(chain);
        }
        let Some(Standing { issuance, lists, .. }) = self.marks.check(&self.store).await? else {
            return Err(marks::set_back());
        };
        self.take_over_keys(&issuance).await;
        // The database's revision, also while its keys cannot be loaded: verifiers are to ask, here or elsewhere.
        let news = News { keys: issuance.keys_revision, lists: lists.into_iter().collect() };
        self.lists.signed().retain(|list, _| news.lists.contains_key(list));
        self.lists.latest.store(Arc::new(news));
        Ok(())
    }

    /// Keys that others changed and that cannot be taken over are not used either: see [`Keyring::follow`].
    ///
    /// [`Keyring::follow`]: crate::domain::keyring::Keyring::follow
    async fn take_over_keys(&self, issuance: &Issuance) {
        if self.keyring.epoch() != issuance.epoch {
            self.lists.indexes.forget();
        }
        let over = self.moment().over();
        if self.keyring.is_current(issuance, over) {
            return;
        }
        let failed = self.keyring.follow(&self.store, issuance, over).await.inspect_err(|error| {
            if !error.is_reported() && !self.lists.keys_fail.load(Ordering::Relaxed) {
                log::error!("the keys that other processes made could not be taken over: {error}");
            }
        });
        self.lists.keys_fail.store(failed.is_err(), Ordering::Relaxed);
    }

    /// Follows the news: the value of now, and a notice at each change.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<Arc<News>> {
        self.lists.told.subscribe()
    }

    /// A list as it is now in the database; `None` when it is not published.
    ///
    /// # Errors
    /// The store is away, or the list could not be signed.
    pub async fn status_list(&self, list: i64) -> Result<Option<Arc<SignedList>>, KeyringError> {
        let Some(revision) = self.look().await?.lists.get(&list).copied() else { return Ok(None) };
        if let Some(signed) = self.signed_list(list, revision) {
            return Ok(Some(signed));
        }
        let _alone = self.lists.signing.lock().await;
        if let Some(signed) = self.signed_list(list, revision) {
            return Ok(Some(signed));
        }
        let signed = Arc::new(self.sign_list(list, revision).await?);
        self.lists.signed().insert(list, Arc::clone(&signed));
        Ok(Some(signed))
    }

    /// The signed list that is at hand, if it is of this revision or a later one, and would be signed like this again.
    fn signed_list(&self, list: i64, revision: i64) -> Option<Arc<SignedList>> {
        let signed = self.lists.signed().get(&list).cloned()?;
        let now = self.now();
        let current = signed.revision >= revision
            && signed.iat == self.list_iat(now)
            && self.keyring.signs(&signed.kid, now);
        current.then_some(signed)
    }

    /// Lists are signed anew a few times in their life. The time is rounded, so that replicas agree on it.
    fn list_iat(&self, now: i64) -> i64 {
        now - now.rem_euclid((seconds(self.lists.policy.lifetime) / 24).max(1))
    }

    async fn sign_list(&self, list: i64, revision: i64) -> Result<SignedList, KeyringError> {
        let moment = self.moment();
        let (now, over, indexes) = (moment.now, moment.over(), indexes_of(list));
        let compress = move |db: &mut Connection| {
            // The revision was read before: what comes in between is in this list as well, and is announced again. Unless the
            // clock is believed, all that is stored is in it: a verifier keeps what it gets until the revision rises.
            let revoked = revocations::among(db, indexes.clone(), over)?;
            Ok::<_, StoreError>(status_list::encode(revoked.into_iter().map(|index| index - indexes.start)))
        };
        let compressed = self.store.read(compress).await?;
        let (iat, uri, aggregation_uri) =
            (self.list_iat(now), self.list_uri(list), aggregation_uri(&self.policy.issuer));
        let claims = ListClaims {
            iss: &self.policy.issuer,
            sub: &uri,
            iat,
            exp: iat.saturating_add(seconds(self.lists.policy.lifetime)),
            ttl: seconds(self.lists.policy.ttl).max(1),
            revision,
            status_list: StatusList { bits: 1, lst: compressed, aggregation_uri: &aggregation_uri },
        };
        let payload = serde_json::to_vec(&claims).map_err(|_| KeyringError::Crypto)?;
        let (token, kid) = self.keyring.sign_status_list(&payload, now)?;
        let token = token.into_bytes();
        let etag = format!("W/\"{revision}-{iat}-{kid}\"");
        Ok(SignedList { gzip: status_list::gzip(&token), token, etag, revision, kid, iat })
    }
}
