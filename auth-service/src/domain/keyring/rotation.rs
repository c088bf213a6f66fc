//! How keys come and go: by schedule, by command, and at once when one may be in the wrong hands.

use shared_claims::verifier::Algorithm;

use super::stored::{Purpose, Stored, new_row};
use super::{KeyNews, Keyring, KeyringError, Times};
use crate::domain::seconds;
use crate::store::keys::SealedKey;
use crate::store::{Connection, Store, StoreError, issuance, keys};

/// More signing keys than this are not published at once: verifiers take 100.
const MOST_KEYS: usize = 50;

/// What a command did about the signing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// A new key is published, and signs from this time on, in unix seconds.
    From(i64),
    /// One was on its way already; it signs from this time on.
    OnItsWay(i64),
}

/// Why a command gives no new key.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// HS256 has no key of ours.
    #[error("tokens are signed with tokens.shared_secret: give every service another one")]
    SharedSecret,
    /// Too many keys are still needed to verify what they signed.
    #[error(
        "{MOST_KEYS} signing keys are still needed for tokens that they signed; try again when some have retired"
    )]
    TooMany,
    /// It could not be made or stored.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

impl Keyring {
    /// Makes the keys whose time has come to be published; says whether there are new ones. Of several replicas one does.
    ///
    /// # Errors
    /// [`KeyringError`]: the next turn tries again.
    pub async fn rotate_if_due(&self, store: &Store, now: i64) -> Result<bool, KeyringError> {
        let mut made = false;
        for purpose in Purpose::ROTATED {
            let Some(due) = self.due(purpose, now) else { continue };
            let ahead = seconds(self.plan.publish_ahead);
            let full = purpose == Purpose::Access && self.ring.load().signing.len() >= MOST_KEYS;
            if now >= due.saturating_sub(ahead) && !full {
                made |= self.add(store, purpose, now, due.max(now.saturating_add(ahead))).await?;
            }
        }
        Ok(made)
    }

    /// When the newest key of a purpose is to be succeeded.
    pub(super) fn due(&self, purpose: Purpose, now: i64) -> Option<i64> {
        let newest = self.ring.load().newest(purpose, self.latest_start(now))?;
        // The first key is active since ever; its life begins when it was made.
        Some(newest.active_from.max(newest.created_at).saturating_add(seconds(self.plan.rotate_every)))
    }

    /// A key that comes into force later than this was made by a clock that was ahead: others do not wait for it.
    fn latest_start(&self, now: i64) -> i64 {
        now.saturating_add(seconds(self.plan.rotate_every))
    }

    /// Publishes a new signing key, which signs when every verifier can know it.
    ///
    /// # Errors
    /// [`RotationError`].
    pub async fn rotate(&self, store: &Store, now: i64) -> Result<Rotated, RotationError> {
        let algorithm = self.rotatable()?;
        let newest = self.ring.load().newest(Purpose::Access, self.latest_start(now));
        if let Some(times) = newest.filter(|times| times.active_from > now) {
            return Ok(Rotated::OnItsWay(times.active_from));
        }
        if self.ring.load().signing.len() >= MOST_KEYS {
            return Err(RotationError::TooMany);
        }
        let active_from = now.saturating_add(seconds(self.plan.publish_ahead));
        if self.add_signing_key(store, algorithm, now, active_from, "command").await? {
            return Ok(Rotated::From(active_from));
        }
        // Another process has just made one.
        let newest = Stored::read(store).await.map_err(KeyringError::from)?.newest(Purpose::Access);
        Ok(Rotated::OnItsWay(newest.unwrap_or(active_from)))
    }

    /// Withdraws every signing key at once and puts a new one in force. What the old ones signed is refused as soon as
    /// verifiers hear of it.
    ///
    /// # Errors
    /// [`RotationError`]: nothing has changed.
    pub async fn rotate_emergency(&self, store: &Store, now: i64) -> Result<(), RotationError> {
        let algorithm = self.rotatable()?;
        let row = self.make(Purpose::Access, algorithm, Times { created_at: now, active_from: now }).await?;
        let news = KeyNews::made(&row, "emergency");
        let replace = move |db: &mut Connection| {
            issuance::raise_keys_revision(db)?;
            keys::delete_all(db, Purpose::Access.as_str())?;
            keys::insert(db, &row)
        };
        store.write(replace).await.map_err(KeyringError::from)?;
        self.news.add(news);
        Ok(())
    }

    fn rotatable(&self) -> Result<Algorithm, RotationError> {
        if self.plan.algorithm == Algorithm::HS256 {
            return Err(RotationError::SharedSecret);
        }
        Ok(self.plan.algorithm)
    }

    /// Deletes the rows of keys that nothing needs any more: signing keys that are retired since the time `due` or longer, and
    /// refresh keys that were succeeded before `oldest_rotation`, when the oldest refresh token that may still be used was
    /// made.
    ///
    /// # Errors
    /// The store's.
    pub async fn delete_retired(
        &self,
        store: &Store,
        due: i64,
        oldest_rotation: i64,
    ) -> Result<(), StoreError> {
        let ring = self.ring.load_full();
        let long_ago = ring.retired.iter().filter(|(_, retired_at)| *retired_at <= due);
        let mut kids: Vec<String> = long_ago.map(|(kid, _)| kid.clone()).collect();
        for pair in ring.refresh.windows(2) {
            if let [old, next] = pair
                && next.times.active_from < oldest_rotation
            {
                kids.push(old.kid.clone());
            }
        }
        if kids.is_empty() {
            return Ok(());
        }
        log::info!("{} keys are retired: nothing that they signed is alive", kids.len());
        let news = KeyNews::Retired { kids: kids.clone() };
        let delete = move |db: &mut Connection| {
            issuance::raise_keys_revision(db)?;
            keys::delete(db, &kids)
        };
        // Of several replicas that do it one is first.
        if store.write::<_, StoreError>(delete).await? > 0 {
            self.news.add(news);
        }
        Ok(())
    }

    async fn add(
        &self,
        store: &Store,
        purpose: Purpose,
        now: i64,
        active_from: i64,
    ) -> Result<bool, KeyringError> {
        match purpose {
            Purpose::Access => {
                self.add_signing_key(store, self.plan.algorithm, now, active_from, "schedule").await
            }
            Purpose::Refresh | Purpose::Audit | Purpose::Names => {
                let times = Times { created_at: now, active_from };
                let row = self.make(purpose, Algorithm::HS256, times).await?;
                self.insert(store, purpose, row, "schedule").await
            }
        }
    }

    pub(super) async fn add_signing_key(
        &self,
        store: &Store,
        algorithm: Algorithm,
        now: i64,
        active_from: i64,
        why: &'static str,
    ) -> Result<bool, KeyringError> {
        let times = Times { created_at: now, active_from };
        let row = self.make(Purpose::Access, algorithm, times).await?;
        self.insert(store, Purpose::Access, row, why).await
    }

    /// Inserts a key behind the newest one that this process knows; `false` when another process was faster.
    async fn insert(
        &self,
        store: &Store,
        purpose: Purpose,
        row: SealedKey,
        why: &'static str,
    ) -> Result<bool, KeyringError> {
        let news = KeyNews::made(&row, why);
        let seen = self.ring.load().newest_row(purpose);
        let active_from = row.active_from;
        let insert = move |db: &mut Connection| {
            issuance::raise_keys_revision(db)?; // holds the row: whoever comes second sees what the first one did
            if keys::newest_active_from(db, purpose.as_str())? != seen {
                return Err(Insert::Overtaken);
            }
            Ok(keys::insert(db, &row)?)
        };
        match store.write(insert).await {
            Ok(()) => {
                log::info!("made a new {} key, in force from {active_from} on", purpose.as_str());
                self.news.add(news);
                Ok(true)
            }
            Err(Insert::Overtaken | Insert::Store(StoreError::Conflict(_))) => Ok(false),
            Err(Insert::Store(error)) => Err(error.into()),
        }
    }

    async fn make(
        &self,
        purpose: Purpose,
        algorithm: Algorithm,
        times: Times,
    ) -> Result<SealedKey, KeyringError> {
        let sealer = self.sealer.clone();
        let make = move || new_row(&sealer, purpose, algorithm, times);
        tokio::task::spawn_blocking(make).await.map_err(|_| KeyringError::Crypto)?
    }
}

/// Why a key was not inserted.
enum Insert {
    Overtaken,
    Store(StoreError),
}

impl From<StoreError> for Insert {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
