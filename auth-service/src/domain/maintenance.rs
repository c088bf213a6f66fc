//! Maintenance: what a process does in the background.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};

use crate::domain::accounts::names::Names;
use crate::domain::audit::{Audit, Trail};
use crate::domain::clock::{DatabaseClock, TOLERANCE, seconds};
use crate::domain::keyring::{Keyring, KeyringError, MOST_LEEWAY, Rotated, RotationError};
use crate::domain::marks::Marks;
use crate::domain::processes::{BEAT, Processes};
use crate::domain::readiness::Readiness;
use crate::domain::status_lists::StatusLists;
use crate::domain::status_lists::status_index::indexes_of;
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::{clients, guesses, revocations, sessions, status_lists};

/// How often the background tasks run, and how much they do in one transaction.
#[derive(Debug, Clone, Copy)]
pub struct MaintenanceRules {
    /// How often to poll the database for changes by other processes: keys, revocations.
    pub poll_interval: Duration,
    /// How often to delete what is over.
    pub clean_up: Duration,
    /// How long after their end sessions are deleted.
    pub keep_ended: Duration,
    /// The most rows that one step reads or deletes.
    pub batch_size: u32,
    /// How long events of the audit trail are kept.
    pub keep_audit: Duration,
}

/// The pause between two steps of a cleanup, so that requests get their turn.
const PAUSE: Duration = Duration::from_millis(100);
/// The shortest time between two events of a stream: a burst of revocations is published once.
const PUBLISH_GAP: Duration = Duration::from_millis(200);
/// How often to see whether a key is due.
const ROTATION: Duration = Duration::from_secs(1);
/// How often marks are written at the most.
const MARKS: Duration = Duration::from_secs(1);
/// How often to compare clocks with the database.
const CLOCK: Duration = Duration::from_secs(10);
/// A list is published for at least this many seconds after its last index was leased, for those that still have some.
const LIST_KEPT: i64 = 24 * 3600;

/// Background tasks of a process, and what operators can have done at once.
pub struct Maintenance {
    /// Where what is over is deleted.
    pub store: Store,
    /// The database's time.
    pub clock: DatabaseClock,
    /// Keys that become due.
    pub keyring: Arc<Keyring>,
    /// Lists that are polled and published.
    pub lists: Arc<StatusLists>,
    /// Marks that are saved.
    pub marks: Arc<Marks>,
    /// Records what is done about keys.
    pub audit: Audit,
    /// Audit rows that are pruned.
    pub trail: Arc<Trail>,
    /// Names that need not rest any longer.
    pub names: Names,
    /// This process among the live servers.
    pub processes: Arc<Processes>,
    /// Looks for missing tables.
    pub readiness: Arc<Readiness>,
}

impl Maintenance {
    /// Runs all tasks for as long as it is polled. Failures are logged, and the next turn tries again.
    pub async fn run(&self, rules: MaintenanceRules) -> Infallible {
        let all = tokio::join!(
            self.publish_changes(rules.poll_interval),
            self.rotate_keys(),
            self.compare_clocks(),
            self.keep_marks(),
            self.stay_present(),
            self.run_cleanup(rules)
        );
        all.0
    }

    /// Polls the database for changes, and publishes them.
    async fn publish_changes(&self, interval: Duration) -> Infallible {
        loop {
            let begun = Instant::now();
            match self.lists.poll().await {
                Ok(_) => self.lists.publish_polled(),
                Err(error) => log::debug!("the database could not be polled for changes: {error}"),
            }
            sleep(PUBLISH_GAP.saturating_sub(begun.elapsed())).await;
            let rest = interval.saturating_sub(begun.elapsed());
            let _ = timeout(rest, self.lists.publication_due()).await; // either way it is time
        }
    }

    async fn rotate_keys(&self) -> Infallible {
        let mut complained = false;
        loop {
            // A database that was set back is left as it is.
            if !self.marks.is_behind() {
                let done = self.settle_keys().await;
                if let Err(error) = &done
                    && !complained
                    && !error.is_reported()
                {
                    log::warn!("what is due for keys could not be done; trying again: {error}");
                }
                complained = done.is_err();
                self.audit.record_key_changes(&self.keyring).await;
            }
            sleep(ROTATION).await;
        }
    }

    async fn settle_keys(&self) -> Result<(), KeyringError> {
        let moment = self.clock.moment();
        self.keyring.settle(&self.store, moment.now, moment.in_doubt).await?;
        // A key that is made by a wrong clock would be in force at a wrong time, and hold up those that are due before.
        if !moment.in_doubt && self.keyring.rotate_if_due(&self.store, moment.now).await? {
            self.reload_keys().await?;
        }
        Ok(())
    }

    async fn keep_marks(&self) -> Infallible {
        loop {
            self.save_marks().await;
            sleep(MARKS).await;
        }
    }

    async fn stay_present(&self) -> Infallible {
        loop {
            sleep(BEAT).await;
            self.processes.beat().await;
            self.readiness.check_tables().await;
        }
    }

    /// Writes down how far the database is.
    pub async fn save_marks(&self) {
        if let Err(error) = self.lists.poll().await {
            log::debug!("the marks are not updated, because the database could not be polled: {error}");
        }
        let (marks, now) = (Arc::clone(&self.marks), self.clock.now());
        let _ = spawn_blocking(move || marks.save(now)).await; // an error means that the runtime ends
    }

    async fn compare_clocks(&self) -> Infallible {
        loop {
            let asked = self.clock.elapsed();
            match self.store.time().await {
                Ok(Some(now)) => self.clock.observe(now, asked),
                Ok(None) => {}
                Err(error) => log::debug!("the database's clock could not be read: {error}"),
            }
            sleep(CLOCK).await;
        }
    }

    async fn run_cleanup(&self, rules: MaintenanceRules) -> Infallible {
        loop {
            if !self.marks.is_behind()
                && let Err(error) = self.clean_up(rules).await
                && !error.is_reported()
            {
                log::warn!("what is over could not be deleted: {error}");
            }
            sleep(rules.clean_up).await;
        }
    }

    /// Takes over the keys that other processes have made.
    ///
    /// # Errors
    /// [`KeyringError`]: the keys stay as they were.
    pub async fn reload_keys(&self) -> Result<(), KeyringError> {
        self.keyring.reload(&self.store, self.clock.moment().over()).await
    }

    /// Publishes a new signing key ahead of its use.
    ///
    /// # Errors
    /// [`RotationError`].
    pub async fn rotate_signing_key(&self) -> Result<Rotated, RotationError> {
        let rotated = self.keyring.rotate(&self.store, self.clock.now()).await?;
        self.audit.record_key_changes(&self.keyring).await;
        self.take_over_own_keys().await;
        Ok(rotated)
    }

    /// Withdraws every signing key at once, for one that may be in the wrong hands.
    ///
    /// # Errors
    /// [`RotationError`].
    pub async fn withdraw_signing_keys(&self) -> Result<(), RotationError> {
        self.keyring.rotate_emergency(&self.store, self.clock.now()).await?;
        self.audit.record_key_changes(&self.keyring).await;
        self.take_over_own_keys().await;
        Ok(())
    }

    /// What was changed is committed, whether it can be read back now or later.
    async fn take_over_own_keys(&self) {
        if let Err(error) = self.reload_keys().await {
            log::warn!("the new keys are stored, and could not be read back; trying again: {error}");
        }
    }

    /// Deletes what is over: sessions that ended long ago, revocations of tokens that have expired, lists without a living
    /// index, retired keys, wrong passwords, names that rested. Says how many sessions were deleted.
    ///
    /// Everything is kept for another day after its time, and nothing is deleted before the clock has agreed for an hour with
    /// the time that passed: a clock that is wrong for a while deletes nothing that it should not.
    ///
    /// # Errors
    /// The store's.
    pub async fn clean_up(&self, rules: MaintenanceRules) -> Result<usize, StoreError> {
        // One reading that is settled is good for all of it, whatever becomes of the clock meanwhile.
        let Some(due) = self.clock.moment().deletable() else { return Ok(0) };
        let walk = self.clean_up_sessions(rules, due).await?;
        self.store.write(move |db| revocations::forget(db, due)).await?;
        let most = i64::from(rules.batch_size);
        while self.store.write(move |db| guesses::forget(db, due, most)).await? == rules.batch_size as usize {
            sleep(PAUSE).await;
        }
        self.names.forget(due, rules.batch_size).await?;
        self.drop_lists(due).await?;
        self.keyring.delete_retired(&self.store, due, walk.oldest_rotation).await?;
        self.audit.record_key_changes(&self.keyring).await;
        self.trail.prune(due.saturating_sub(seconds(rules.keep_audit)), rules.batch_size).await?;
        Ok(walk.deleted)
    }

    /// Walks through all sessions in small steps, so that no request waits for it: an index by their end would have to be
    /// written at each refresh.
    async fn clean_up_sessions(&self, rules: MaintenanceRules, due: i64) -> Result<Walk, StoreError> {
        // A session outlives every access token that it gave: so does the list that its index is in.
        let keep = seconds(rules.keep_ended).max(self.keyring.longest_access_ttl() + MOST_LEEWAY);
        let before = due.saturating_sub(keep);
        let mut walk = Walk { deleted: 0, oldest_rotation: due };
        let mut last = String::new();
        loop {
            let (after, most) = (last.clone(), i64::from(rules.batch_size));
            let step = self.store.read(move |db| sessions::ends(db, &after, most)).await?;
            let full = step.len() == rules.batch_size as usize;
            if let Some(session) = step.last() {
                session.id.clone_into(&mut last);
            }
            let (over, alive): (Vec<_>, Vec<_>) =
                step.into_iter().partition(|session| session.expires_at < before);
            // What a clock that was ahead has stamped says nothing about which key made it: no key is deleted then.
            let possible = self.clock.now().saturating_add(TOLERANCE);
            let made_at = |session: &sessions::End| {
                if session.rotated_at > possible { i64::MIN } else { session.rotated_at }
            };
            let oldest = alive.iter().map(made_at).min();
            walk.oldest_rotation = walk.oldest_rotation.min(oldest.unwrap_or(due));
            let over: Vec<String> = over.into_iter().map(|session| session.id).collect();
            if !over.is_empty() {
                let delete = move |db: &mut Connection| sessions::delete_ended(db, &over, before);
                walk.deleted += self.store.write(delete).await?;
            }
            if !full {
                return Ok(walk);
            }
            sleep(PAUSE).await;
        }
    }

    /// Stops publishing the lists in which no index is alive.
    async fn drop_lists(&self, due: i64) -> Result<(), StoreError> {
        let before = due.saturating_sub(LIST_KEPT);
        let left = self.store.read(move |db| status_lists::left_before(db, before)).await?;
        for list in left {
            let drop = move |db: &mut Connection| {
                let indexes = || indexes_of(list);
                let alive = sessions::any_with(db, indexes())?
                    || clients::any_with(db, indexes())?
                    || revocations::any(db, indexes())?;
                if !alive {
                    status_lists::drop_list(db, list)?;
                    log::info!("status list {list} is not published any more: nothing in it is alive");
                }
                Ok::<_, StoreError>(())
            };
            self.store.write(drop).await?;
        }
        Ok(())
    }
}

/// What a walk through all sessions has done and seen.
struct Walk {
    deleted: usize,
    /// When the oldest refresh token that may still be used was made, in unix seconds.
    oldest_rotation: i64,
}
