//! The keys of a process come from the database: all of them at the start, what others have changed later.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use secrecy::ExposeSecret as _;
use shared_claims::verifier::Algorithm;

use crate::domain::clock::seconds;
use crate::domain::keyring::audit_key::AuditKeys;
use crate::domain::keyring::error::KeyringError;
use crate::domain::keyring::key_changes::{KeyChange, KeyChanges};
use crate::domain::keyring::keys::Keyring;
use crate::domain::keyring::loaded::{Closed, Loaded, Seen, VerifierSettings};
use crate::domain::keyring::plan::Plan;
use crate::domain::keyring::ring::{Parts, Ring};
use crate::domain::keyring::sealing::Sealer;
use crate::domain::keyring::signing_key::SigningKey;
use crate::domain::keyring::stored::{Opened, Purpose, Stored, new_row, reseal};
use crate::domain::keyring::times::Times;
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::issuance;
use crate::store::issuance::Issuance;
use crate::store::keys;
use crate::store::keys::SealedKey;
use crate::store::master_keys;

/// A process that starts does not know yet whether its clock is right: it retires no key.
const UNKNOWN: i64 = i64::MIN;

impl Keyring {
    /// Opens the keys in the database, and makes what `makes` says. Where that is not everything, the database is left as it is
    /// otherwise until [`settle`](Self::settle).
    ///
    /// # Errors
    /// A wrong master key, or a store that is away.
    pub async fn open(
        store: &Store,
        sealer: Sealer,
        now: i64,
        plan: Plan,
        verifier_settings: VerifierSettings,
        makes: Makes,
    ) -> Result<Self, KeyringError> {
        let sealer = Arc::new(sealer);
        let made = make_missing(store, &sealer, now, &plan, makes).await?;
        let stored = Stored::read(store).await?;
        sealer.follow(stored.newest_master_key.as_deref());
        let mut opened = stored.open(&sealer);
        stored.check_master_key(&opened)?;
        let audit = AuditKeys::new(std::mem::take(&mut opened.audit)).ok_or(KeyringError::Crypto)?;
        let names = opened.names.pop().ok_or(KeyringError::Crypto)?;
        opened.audit = audit.all().to_vec();
        let secret = plan.shared_secret.as_ref();
        let shared = secret.map(|secret| SigningKey::shared_secret(secret.expose_secret().as_bytes()));
        let loaded = load(&stored, opened, &plan, &verifier_settings, None, None, UNKNOWN)?;
        if let Some(closed) = &loaded.closed {
            log::error!(
                "nothing is signed: the database has keys that this process cannot load: {}",
                closed.why
            );
        }
        let keyring = Self {
            sealer,
            plan,
            follows_settings: makes == Makes::Everything,
            shared,
            verifier_settings,
            loaded: ArcSwap::from_pointee(loaded),
            reloading: tokio::sync::Mutex::default(),
            settled: AtomicBool::new(false),
            has_algorithm: AtomicBool::new(false),
            audit,
            names,
            changes: KeyChanges::new(made),
        };
        if makes == Makes::Everything
            && let Err(error) = keyring.settle(store, now, false).await
        {
            log::warn!("what the settings ask of keys could not be stored; trying again: {error}");
        }
        Ok(keyring)
    }

    /// Writes what the settings ask for, unless that was done: the life of access tokens and the master key are remembered,
    /// keys that are sealed with an older master key are sealed with the newest one, and a key of the algorithm in the
    /// settings is made: that one not while the clock is in doubt, since it would be in force at a wrong time. While keys
    /// cannot be loaded nothing is written.
    ///
    /// # Errors
    /// The store's: the next turn tries again.
    pub async fn settle(&self, store: &Store, now: i64, in_doubt: bool) -> Result<(), KeyringError> {
        if self.is_closed() {
            return Ok(());
        }
        // Marked as done before: a reload that finds more to do meanwhile says so.
        if !self.settled.swap(true, Ordering::AcqRel) {
            let settled = self.store_settings(store).await;
            settled.inspect_err(|_| self.settled.store(false, Ordering::Release))?;
        }
        if !in_doubt && !self.has_algorithm.load(Ordering::Acquire) {
            self.follow_algorithm(store, now).await?;
            // Replicas that are set to different algorithms do not go on outdoing each other.
            self.has_algorithm.store(true, Ordering::Release);
        }
        Ok(())
    }

    async fn store_settings(&self, store: &Store) -> Result<(), KeyringError> {
        let (ttl, sealer) = (self.plan.lifetimes.access_token, Arc::clone(&self.sealer));
        let opened = Stored::read(store).await?.open(&sealer);
        let remember = move |db: &mut Connection| {
            issuance::hold(db)?; // one process at a time adds a master key
            issuance::remember_access_ttl(db, ttl)?;
            add_master_key(db, &sealer, &opened)
        };
        store.write(remember).await?;
        let count = reseal(store, &self.sealer).await?;
        if count > 0 {
            log::info!(
                "{count} keys that were sealed with an older master key are sealed with the newest one now; the older \
                 one can go when every replica has the newest one as master_key"
            );
            self.changes.add(KeyChange::Resealed { count });
        }
        Ok(())
    }

    /// Makes a key of the algorithm that the settings want, if the newest one is of another.
    async fn follow_algorithm(&self, store: &Store, now: i64) -> Result<(), KeyringError> {
        let wanted = self.plan.algorithm;
        let newest = self.loaded.load().ring.signing.last().map(|key| key.algorithm);
        if let Some(newest) = newest.filter(|newest| *newest != wanted && wanted != Algorithm::HS256) {
            let active_from = now.saturating_add(seconds(self.plan.publish_ahead));
            log::warn!("signing with {newest} for another {}s, then with {wanted}", active_from - now);
            self.add_signing_key(store, wanted, now, active_from, "algorithm").await?;
            self.reload(store, UNKNOWN).await?;
        }
        Ok(())
    }

    /// Takes over what other processes have changed, and retires what was over at the time `over`. Where the database has keys
    /// that cannot be loaded, those that are gone are withdrawn, and nothing is signed until they can.
    ///
    /// # Errors
    /// The rows could not be read: the keys stay as they were.
    pub async fn reload(&self, store: &Store, over: i64) -> Result<(), KeyringError> {
        let _alone = self.reloading.lock().await;
        self.reload_alone(store, over).await
    }

    /// The same for a database that was just seen in the state `issuance`. When that is another one than was loaded, and it
    /// cannot be read, nothing is signed, and no token is called good, until it can: a key at hand may be withdrawn.
    ///
    /// # Errors
    /// The rows could not be read.
    pub async fn follow(&self, store: &Store, issuance: &Issuance, over: i64) -> Result<(), KeyringError> {
        let _alone = self.reloading.lock().await;
        let done = self.reload_alone(store, over).await;
        if let Err(error) = &done {
            let (before, told) = (self.loaded.load_full(), Seen::of(issuance));
            if told != before.seen && !told.is_before(&before.seen) {
                let after = before.unread(format!("they cannot be read: {error}"));
                say_what_changed(&before, &after);
                self.loaded.store(Arc::new(after));
            }
        }
        done
    }

    /// The caller holds `reloading`.
    async fn reload_alone(&self, store: &Store, over: i64) -> Result<(), KeyringError> {
        let stored = Stored::read(store).await?;
        self.sealer.follow(stored.newest_master_key.as_deref());
        let before = self.loaded.load_full();
        if Seen::of(&stored.issuance).is_before(&before.seen) {
            return Ok(());
        }
        let opened = stored.open(&self.sealer);
        if opened.is_stale(self.sealer.sealing_id()) {
            self.settled.store(false, Ordering::Release);
        }
        let proving = Some(self.audit.newest().kid());
        let loaded =
            load(&stored, opened, &self.plan, &self.verifier_settings, proving, Some(&before), over)?;
        say_what_changed(&before, &loaded);
        self.loaded.store(Arc::new(loaded));
        Ok(())
    }
}

fn load(
    stored: &Stored,
    opened: Opened,
    plan: &Plan,
    settings: &VerifierSettings,
    audit_kid: Option<&str>,
    before: Option<&Loaded>,
    now: i64,
) -> Result<Loaded, KeyringError> {
    let (seen, needs_access) = (Seen::of(&stored.issuance), plan.algorithm != Algorithm::HS256);
    let mut closed = Closed::of(stored, &opened, needs_access, audit_kid, before);
    let mut parts = match before {
        // These were loaded: what was done to their rows since without a new revision was not done by us, or only sealed
        // them anew.
        Some(before) if closed.is_some() && before.closed.is_none() && before.seen == seen => {
            closed = None;
            Parts::of_ring(&before.ring)
        }
        _ => Parts::of(stored, opened),
    };
    if closed.is_some() {
        let earlier = stored.issuance.keys_revision.saturating_sub(1);
        if let Some(before) = before {
            parts = parts.and_those_at_hand(&before.ring, stored);
        }
        parts.revision = before.map_or(earlier, |before| before.ring.revision.min(earlier));
    }
    let ring = Ring::new(parts, &plan.lifetimes, now)?;
    Ok(Loaded::new(seen, ring, closed, settings, before))
}

fn say_what_changed(before: &Loaded, after: &Loaded) {
    if after.ring.published.etag != before.ring.published.etag {
        log::info!("{} signing keys are published", after.ring.signing.len());
    }
    match (&before.closed, &after.closed) {
        (before, Some(after)) if before.as_ref() != Some(after) => {
            log::error!(
                "nothing is signed: the database has keys that this process cannot load: {}",
                after.why
            );
        }
        (Some(_), None) => log::warn!("every key can be loaded again: signing goes on"),
        _ => {}
    }
}

/// Puts `master_key` behind the master keys that the database knows, unless it is among them; the caller holds the
/// `issuance` row. One that is there is an older one: the settings call it current while replicas are moved to the newest one.
fn add_master_key(db: &mut Connection, sealer: &Sealer, opened: &Opened) -> Result<(), StoreError> {
    let known = master_keys::all(db)?;
    if known.iter().any(|id| id == sealer.current_id()) {
        return Ok(());
    }
    if known.is_empty()
        && let Some(previous) = sealer.previous_id().filter(|id| opened.was_sealed_by(Some(id)))
    {
        master_keys::put_last(db, previous)?;
    }
    master_keys::put_last(db, sealer.current_id())
}

/// Makes the first key of each purpose that has none, as far as `makes` goes. Nothing is made with a master key that opens
/// nothing of what is there.
async fn make_missing(
    store: &Store,
    sealer: &Sealer,
    now: i64,
    plan: &Plan,
    makes: Makes,
) -> Result<Vec<KeyChange>, KeyringError> {
    loop {
        let stored = Stored::read(store).await?;
        sealer.follow(stored.newest_master_key.as_deref());
        stored.check_master_key(&stored.open(sealer))?;
        let missing = makes.missing(&stored, plan)?;
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        // The first key is active since ever, so that replicas which start at once agree on it: one insert wins.
        let times = Times { created_at: now, active_from: 0 };
        let rows = missing.iter().map(|purpose| new_row(sealer, *purpose, plan.algorithm, times));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let changes = rows.iter().map(|row| KeyChange::made(row, "first")).collect();
        let seen = Purpose::ALL.map(|purpose| stored.newest(purpose));
        let insert = move |db: &mut Connection| {
            issuance::hold(db)?; // whoever comes second sees what the first one did, and looks whether that opens
            for (purpose, seen) in Purpose::ALL.iter().zip(seen) {
                if keys::newest_active_from(db, purpose.as_str())? != seen {
                    return Ok(false);
                }
            }
            // From the time on, so that the keys of a database made anew do not look older to verifiers.
            issuance::begin_keys_revision(db, now)?;
            rows.iter().try_for_each(|row| keys::insert(db, row))?;
            Ok::<_, StoreError>(true)
        };
        if store.write(insert).await? {
            return Ok(changes);
        }
    }
}

/// What a process makes of what the database lacks. See docs/decisions/0022-what-makes-what.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Makes {
    /// Nothing: the database is not to be written.
    Nothing,
    /// Where a server has made keys: those for the audit trail and for names at rest that an earlier version did not make.
    Proofs,
    /// Keys of every purpose.
    Keys,
    /// That, and whatever else the settings ask for.
    Everything,
}

impl Makes {
    /// The purposes whose first keys are to be made.
    fn missing(self, stored: &Stored, plan: &Plan) -> Result<Vec<Purpose>, KeyringError> {
        let lacks = |purpose: Purpose| stored.newest(purpose).is_none();
        let is_new = Purpose::ALL.into_iter().all(lacks);
        let signs_itself = plan.algorithm != Algorithm::HS256;
        match self {
            Self::Nothing => return Ok(Vec::new()),
            Self::Proofs if is_new => return Err(KeyringError::NoKeys),
            // A command cannot know what the server is set to.
            Self::Keys if !is_new && signs_itself && lacks(Purpose::Access) => {
                return Err(KeyringError::NoSigningKey);
            }
            _ => {}
        }
        let is_wanted = |purpose: &Purpose| match (self, purpose) {
            (Self::Proofs, Purpose::Access | Purpose::Refresh) => false,
            (_, Purpose::Access) => signs_itself,
            _ => true,
        };
        Ok(Purpose::ALL.into_iter().filter(|purpose| is_wanted(purpose) && lacks(*purpose)).collect())
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
