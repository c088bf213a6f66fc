//! How keys come and go: by schedule, by command, and at once when one may be in the wrong hands.

use shared_claims::verifier::Algorithm;

use crate::domain::clock::seconds;
use crate::domain::keyring::error::KeyringError;
use crate::domain::keyring::key_changes::KeyChange;
use crate::domain::keyring::keys::Keyring;
use crate::domain::keyring::stored::{Purpose, Stored, new_row};
use crate::domain::keyring::times::Times;
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::keys::SealedKey;
use crate::store::{issuance, keys, master_keys};

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
        if self.is_closed() {
            return Ok(false); // what is in memory does not tell what is due
        }
        let mut made = false;
        for purpose in Purpose::ROTATED {
            let Some(due) = self.due(purpose, now) else { continue };
            let ahead = seconds(self.plan.publish_ahead);
            let full = purpose == Purpose::Access && self.loaded.load().ring.signing.len() >= MOST_KEYS;
            if now >= due.saturating_sub(ahead) && !full {
                made |= self.add(store, purpose, now, due.max(now.saturating_add(ahead))).await?;
            }
        }
        Ok(made)
    }

    /// When the newest key of a purpose is to be succeeded.
    pub(super) fn due(&self, purpose: Purpose, now: i64) -> Option<i64> {
        let newest = self.loaded.load().ring.newest(purpose, self.latest_start(now))?;
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
        self.loaded.load().check_open()?;
        let newest = self.loaded.load().ring.newest(Purpose::Access, self.latest_start(now));
        if let Some(times) = newest.filter(|times| times.active_from > now) {
            return Ok(Rotated::OnItsWay(times.active_from));
        }
        if self.loaded.load().ring.signing.len() >= MOST_KEYS {
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
        let times = Times { created_at: now, active_from: now };
        let (row, sealed_with) = self.make(store, Purpose::Access, algorithm, times).await?;
        let change = KeyChange::made(&row, "emergency");
        let replace = move |db: &mut Connection| {
            issuance::raise_keys_revision(db)?;
            refuse_older(db, &sealed_with)?;
            keys::delete_all(db, Purpose::Access.as_str())?;
            Ok(keys::insert(db, &row)?)
        };
        match store.write(replace).await {
            Ok(()) => self.changes.add(change),
            Err(Insert::OlderMasterKey) => return Err(KeyringError::OlderMasterKey.into()),
            // Nothing overtakes it: it replaces whatever is there.
            Err(Insert::Overtaken) => {}
            Err(Insert::Store(error)) => return Err(KeyringError::from(error).into()),
        }
        Ok(())
    }

    fn rotatable(&self) -> Result<Algorithm, RotationError> {
        if self.plan.algorithm == Algorithm::HS256 {
            return Err(RotationError::SharedSecret);
        }
        let in_force = self.loaded.load().ring.signing.last().map(|key| key.algorithm);
        match in_force.filter(|in_force| !self.follows_settings && *in_force != self.plan.algorithm) {
            Some(in_force) => {
                log::warn!(
                    "tokens.algorithm is {} here, and the server signs with {in_force}: so does the new key. Only a start \
                     of `auth-service serve` changes the algorithm",
                    self.plan.algorithm
                );
                Ok(in_force)
            }
            None => Ok(self.plan.algorithm),
        }
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
        let loaded = self.loaded.load_full();
        if loaded.closed.is_some() {
            return Ok(());
        }
        let ring = &loaded.ring;
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
        let change = KeyChange::Retired { kids: kids.clone() };
        let delete = move |db: &mut Connection| {
            issuance::raise_keys_revision(db)?;
            keys::delete(db, &kids)
        };
        // Of several replicas that do it one is first.
        if store.write::<_, StoreError>(delete).await? > 0 {
            self.changes.add(change);
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
                let made = self.make(store, purpose, Algorithm::HS256, times).await?;
                self.insert(store, purpose, made, "schedule").await
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
        let made = self.make(store, Purpose::Access, algorithm, times).await?;
        self.insert(store, Purpose::Access, made, why).await
    }

    /// Inserts a key behind the newest one that this process knows; `false` when another process was faster.
    async fn insert(
        &self,
        store: &Store,
        purpose: Purpose,
        (row, sealed_with): (SealedKey, String),
        why: &'static str,
    ) -> Result<bool, KeyringError> {
        let change = KeyChange::made(&row, why);
        let seen = self.loaded.load().ring.newest_row(purpose);
        let active_from = row.active_from;
        let insert = move |db: &mut Connection| {
            issuance::raise_keys_revision(db)?; // holds the row: whoever comes second sees what the first one did
            refuse_older(db, &sealed_with)?;
            if keys::newest_active_from(db, purpose.as_str())? != seen {
                return Err(Insert::Overtaken);
            }
            Ok(keys::insert(db, &row)?)
        };
        match store.write(insert).await {
            Ok(()) => {
                log::info!("made a new {} key, in force from {active_from} on", purpose.as_str());
                self.changes.add(change);
                Ok(true)
            }
            Err(Insert::Overtaken | Insert::Store(StoreError::Conflict(_))) => Ok(false),
            Err(Insert::OlderMasterKey) => Err(KeyringError::OlderMasterKey),
            Err(Insert::Store(error)) => Err(error.into()),
        }
    }

    /// A new key, sealed with the newest master key, and that one's id.
    async fn make(
        &self,
        store: &Store,
        purpose: Purpose,
        algorithm: Algorithm,
        times: Times,
    ) -> Result<(SealedKey, String), KeyringError> {
        let newest = store.read(master_keys::newest).await?;
        self.sealer.follow(newest.as_deref());
        let (sealer, sealed_with) = (self.sealer.clone(), self.sealer.sealing_id().to_owned());
        let make = move || new_row(&sealer, purpose, algorithm, times);
        let row = tokio::task::spawn_blocking(make).await.map_err(|_| KeyringError::Crypto)?;
        Ok((row?, sealed_with))
    }
}

/// Other replicas could not open what is sealed with an older master key than theirs. The caller holds the `issuance` row.
fn refuse_older(db: &mut Connection, sealed_with: &str) -> Result<(), Insert> {
    let newest = master_keys::newest(db)?;
    if newest.is_none_or(|newest| newest == sealed_with) { Ok(()) } else { Err(Insert::OlderMasterKey) }
}

/// Why a key was not inserted.
enum Insert {
    Overtaken,
    OlderMasterKey,
    Store(StoreError),
}

impl From<StoreError> for Insert {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
