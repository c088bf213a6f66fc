//! The keys of a process come from the database: all of them at the start, what others have changed later.

use std::sync::Arc;

use arc_swap::ArcSwap;
use secrecy::ExposeSecret as _;
use shared_claims::verifier::Algorithm;

use super::ring::Ring;
use super::signing_key::SigningKey;
use super::stored::{Purpose, Stored, new_row, reseal};
use super::{AuditKeys, KeyNews, Keyring, KeyringError, News, Plan, Sealer, Times};
use crate::domain::seconds;
use crate::store::keys::{self, SealedKey};
use crate::store::{Connection, Store, StoreError, issuance};

/// A process that starts does not know yet whether its clock is right: it retires no key.
const UNKNOWN: i64 = i64::MIN;

impl Keyring {
    /// Opens the keys in the database, and makes those that are missing.
    ///
    /// # Errors
    /// A wrong master key, or a store that is away.
    pub async fn open(store: &Store, sealer: Sealer, now: i64, plan: Plan) -> Result<Self, KeyringError> {
        let sealer = Arc::new(sealer);
        let ttl = plan.lifetimes.access_token;
        let mut stored = Stored::read(store).await?;
        if stored.issuance.longest_access_ttl < ttl {
            store.write(move |db| issuance::remember_access_ttl(db, ttl)).await?;
        }
        let mut made = Vec::new();
        for purpose in Purpose::ALL {
            if stored.newest(purpose).is_none()
                && (purpose, plan.algorithm) != (Purpose::Access, Algorithm::HS256)
            {
                // The first key is active since ever, so that replicas which start at once agree on it: one insert wins.
                let times = Times { created_at: now, active_from: 0 };
                let row = new_row(&sealer, purpose, plan.algorithm, times)?;
                let news = KeyNews::made(&row, "first");
                let insert = move |db: &mut Connection| {
                    // From the time on, so that the keys of a database made anew do not look older to verifiers.
                    issuance::begin_keys_revision(db, now)?;
                    keys::insert(db, &row)
                };
                match store.write(insert).await {
                    Err(StoreError::Conflict(_)) => {}
                    inserted => made.push(inserted.map(|()| news)?),
                }
            }
        }
        stored = Stored::read(store).await?;
        let mut opened = stored.open(&sealer)?;
        let audit = AuditKeys::new(std::mem::take(&mut opened.audit)).ok_or(KeyringError::Crypto)?;
        let names = opened.names.pop().ok_or(KeyringError::Crypto)?;
        let secret = plan.shared_secret.as_ref();
        let shared = secret.map(|secret| SigningKey::shared_secret(secret.expose_secret().as_bytes()));
        let ring = ArcSwap::from_pointee(Ring::new(&stored, opened, &plan.lifetimes, UNKNOWN)?);
        let keyring = Self { sealer, plan, shared, ring, audit, names, news: News::new(made) };
        keyring.reload(store, UNKNOWN).await?; // seals anew what must be
        keyring.follow_algorithm(store, now).await?;
        Ok(keyring)
    }

    /// Makes a key of the algorithm that the settings want, if the newest one is of another.
    async fn follow_algorithm(&self, store: &Store, now: i64) -> Result<(), KeyringError> {
        let wanted = self.plan.algorithm;
        let newest = self.ring.load().signing.last().map(|key| key.algorithm);
        if let Some(newest) = newest.filter(|newest| *newest != wanted && wanted != Algorithm::HS256) {
            let active_from = now.saturating_add(seconds(self.plan.publish_ahead));
            log::warn!("signing with {newest} for another {}s, then with {wanted}", active_from - now);
            self.add_signing_key(store, wanted, now, active_from, "algorithm").await?;
            self.reload(store, UNKNOWN).await?;
        }
        Ok(())
    }

    /// Takes over what other processes have changed, and retires what was over at the time `over`; says whether what is
    /// published changed.
    ///
    /// # Errors
    /// The store is away, or no key opens: the keys stay as they were.
    pub async fn reload(&self, store: &Store, over: i64) -> Result<bool, KeyringError> {
        let stored = Stored::read(store).await?;
        let mut opened = stored.open(&self.sealer)?;
        let stale = std::mem::take(&mut opened.stale);
        let ring = Ring::new(&stored, opened, &self.plan.lifetimes, over)?;
        let news = ring.published.etag != self.published().etag;
        if news {
            log::info!("{} signing keys are published", ring.signing.len());
        }
        self.ring.store(Arc::new(ring));
        if !stale.is_empty() {
            let count = stale.len();
            reseal(store, stale).await?;
            self.news.add(KeyNews::Resealed { count });
        }
        Ok(news)
    }
}

/// A new key for each purpose that has changing ones, in force since ever: for a database that begins anew. Takes a second
/// for RSA.
///
/// # Errors
/// [`KeyringError::Crypto`].
pub fn first_keys(sealer: &Sealer, plan: &Plan, now: i64) -> Result<Vec<SealedKey>, KeyringError> {
    let times = Times { created_at: now, active_from: 0 };
    let wanted = Purpose::ROTATED
        .into_iter()
        .filter(|purpose| (*purpose, plan.algorithm) != (Purpose::Access, Algorithm::HS256));
    wanted.map(|purpose| new_row(sealer, purpose, plan.algorithm, times)).collect()
}
