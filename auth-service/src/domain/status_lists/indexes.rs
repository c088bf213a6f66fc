//! Assignment of status list indexes to sessions and clients. None is assigned twice.
//!
//! A process leases a block of indexes and assigns them in random order, so that the order in a list does not reveal which
//! sessions began together. Indexes that a process has not used when it ends are lost; there are enough.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::clock::Moment;
use crate::domain::clock::TOLERANCE;
use crate::domain::random;
use crate::domain::status_lists::status_index::{LIST_SIZE, StatusIndex};
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::{issuance, status_lists};

/// The number of indexes that a process leases at once. A divisor of [`LIST_SIZE`], so that a block lies in one list.
const BLOCK: i64 = 1024;

/// For how many seconds a lease is used. A list is published for longer than this after its last block was leased.
const LEASE: i64 = 12 * 3600;

/// The status list indexes that this process may assign.
#[derive(Debug, Default)]
pub(in crate::domain) struct StatusIndexes {
    leased: Mutex<Leased>,
    /// Held by the task that leases more; the others wait for it.
    leasing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Leased {
    /// All indexes of the lease. No others are assigned: they may belong to a list that was dropped.
    block: Range<i64>,
    free: Vec<i64>,
    /// Unix seconds.
    until: i64,
    /// Rises when the lease is forgotten.
    forgotten: u64,
}

impl StatusIndexes {
    /// Takes an index for the caller alone.
    pub(in crate::domain) async fn take(
        &self,
        store: &Store,
        moment: Moment,
    ) -> Result<StatusIndex, StoreError> {
        let now = moment.now;
        if let Some(index) = self.pick(now) {
            return Ok(index);
        }
        let _alone = self.leasing.lock().await;
        if let Some(index) = self.pick(now) {
            return Ok(index);
        }
        loop {
            let forgotten = self.leased().forgotten;
            let first = store.write(move |db| lease(db, BLOCK, moment)).await?;
            let mut leased = self.leased();
            if leased.forgotten == forgotten {
                return Ok(leased.begin(first, now));
            }
            // A recovery began a new epoch meanwhile, perhaps after the lease.
        }
    }

    /// Takes back an index that was certainly not used. One of an earlier lease is lost.
    pub(in crate::domain) fn give_back(&self, index: StatusIndex) {
        let mut leased = self.leased();
        if leased.block.contains(&index.into()) {
            leased.free.push(index.into());
        }
    }

    /// Forgets the lease: after a recovery its indexes may have been assigned before.
    pub(in crate::domain) fn forget(&self) {
        let mut leased = self.leased();
        *leased = Leased { forgotten: leased.forgotten + 1, ..Leased::default() };
    }

    fn pick(&self, now: i64) -> Option<StatusIndex> {
        self.leased().pick(now)
    }

    // No code panics while it holds this lock.
    fn leased(&self) -> MutexGuard<'_, Leased> {
        self.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leased {
    /// Takes over a lease, and returns one index of it.
    fn begin(&mut self, first: i64, now: i64) -> StatusIndex {
        self.block = first..first + BLOCK;
        self.free = self.block.clone().collect();
        self.until = now.saturating_add(LEASE);
        self.pick(now).unwrap_or(first.into())
    }

    fn pick(&mut self, now: i64) -> Option<StatusIndex> {
        // A lease with more time left than it lasts was taken while the clock was ahead: its list may have been dropped.
        let left = self.until.saturating_sub(now);
        if self.free.is_empty() || !(1..=LEASE + TOLERANCE).contains(&left) {
            return None;
        }
        // The modulo makes some indexes slightly likelier. That is even enough to hide an order.
        let random = u64::from_le_bytes(*random::bytes::<8>()) % self.free.len() as u64;
        let chosen = usize::try_from(random).unwrap_or(0);
        Some(self.free.swap_remove(chosen).into())
    }
}

/// Publishes the lists of the indexes that will be assigned first.
pub(super) fn publish_lists(db: &mut Connection, moment: Moment) -> Result<(), StoreError> {
    lease(db, 0, moment).map(|_| ())
}

/// Leases indexes, and publishes their list and the next one, so that verifiers know a list long before its indexes are
/// assigned. The row of the counter is locked, so no other process does the same at this time.
fn lease(db: &mut Connection, count: i64, moment: Moment) -> Result<i64, StoreError> {
    let first = issuance::lease_status_indexes(db, count)?;
    let list = first / LIST_SIZE;
    for id in [list, list + 1] {
        // Revisions begin with the time, so that a list with this id in a new database does not look older to verifiers.
        status_lists::publish(db, id, moment.now)?;
    }
    // The time at which a list was left decides when it is dropped. While the clock is in doubt it is not stored; a later
    // lease does it.
    if !moment.in_doubt {
        status_lists::leave(db, list, moment.now)?;
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_is_given_back_after_a_recovery_is_not_assigned_again() {
        let indexes = StatusIndexes::default();
        let old = indexes.leased().begin(0, 100);
        indexes.forget();
        indexes.give_back(old);
        assert_eq!(indexes.pick(100), None);
        let first = indexes.leased().begin(1 << 33, 100);
        indexes.give_back(old);
        indexes.give_back(first);
        let rest: Vec<_> = std::iter::from_fn(|| indexes.pick(100)).collect();
        assert_eq!(i64::try_from(rest.len()), Ok(BLOCK));
        assert!(rest.iter().all(|index| *index >= (1 << 33).into()), "the list of the old one is gone");
    }

    #[test]
    fn an_index_of_a_lease_that_is_over_is_not_assigned_again() {
        let indexes = StatusIndexes::default();
        let old = indexes.leased().begin(0, 100);
        indexes.leased().begin(BLOCK, 100 + LEASE);
        indexes.give_back(old);
        assert!(std::iter::from_fn(|| indexes.pick(100 + LEASE)).all(|index| index >= BLOCK.into()));
    }

    #[test]
    fn a_lease_that_was_taken_while_the_clock_was_ahead_does_not_last_for_the_jump() {
        let indexes = StatusIndexes::default();
        let year = 365 * 24 * 3600;
        indexes.leased().begin(0, 100 + year);
        assert!(indexes.pick(100 + year).is_some());
        assert_eq!(indexes.pick(100), None);
        indexes.leased().begin(BLOCK, 100);
        assert!(indexes.pick(100 - TOLERANCE).is_some(), "as far as a clock may be set without doubt");
        assert_eq!(indexes.pick(99 - TOLERANCE), None);
    }
}
