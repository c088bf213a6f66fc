//! The numbers of sessions and clients: their places in the status lists, never given twice.
//!
//! A process leases a block of them and hands them out in random order, so that neighbours in a list tell nothing about
//! each other. What it does not use before it ends is lost; there are enough.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::LIST_SIZE;
use crate::domain::{Moment, random};
use crate::store::{Connection, Store, StoreError, issuance, status_lists};

/// How many numbers a process leases at once. A divisor of [`LIST_SIZE`], so that a block lies in one list.
const BLOCK: i64 = 1024;

/// For how many seconds a lease is used. A list is published for longer than this after its last block was leased.
const LEASE: i64 = 12 * 3600;

/// The numbers that this process may give.
#[derive(Debug, Default)]
pub(in crate::domain) struct Numbers {
    leased: Mutex<Leased>,
    /// Held by the one that leases more; the others wait for it.
    leasing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Leased {
    free: Vec<i64>,
    /// Unix seconds.
    until: i64,
}

impl Numbers {
    /// A number for the caller alone.
    pub(in crate::domain) async fn take(&self, store: &Store, moment: Moment) -> Result<i64, StoreError> {
        let now = moment.now;
        if let Some(number) = self.pick(now) {
            return Ok(number);
        }
        let _alone = self.leasing.lock().await;
        if let Some(number) = self.pick(now) {
            return Ok(number);
        }
        let first = store.write(move |db| lease(db, BLOCK, moment)).await?;
        *self.leased() =
            Leased { free: (first + 1..first + BLOCK).collect(), until: now.saturating_add(LEASE) };
        Ok(self.pick(now).map_or(first, |number| {
            self.give_back(first);
            number
        }))
    }

    /// Takes back a number that was certainly not used.
    pub(in crate::domain) fn give_back(&self, number: i64) {
        self.leased().free.push(number);
    }

    /// Forgets all numbers: after a restore they may have been given before.
    pub(in crate::domain) fn forget(&self) {
        *self.leased() = Leased::default();
    }

    fn pick(&self, now: i64) -> Option<i64> {
        let mut leased = self.leased();
        if leased.free.is_empty() || now >= leased.until {
            return None;
        }
        // Not quite even over the block, and that is even enough to hide an order.
        let random = u64::from_le_bytes(*random::bytes::<8>()) % leased.free.len() as u64;
        let index = usize::try_from(random).unwrap_or(0);
        Some(leased.free.swap_remove(index))
    }

    /// Nothing panics while it holds this lock, and what it guards is whole at any time.
    fn leased(&self) -> MutexGuard<'_, Leased> {
        self.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Publishes the lists of the numbers that will be given first.
pub(super) fn publish_lists(db: &mut Connection, moment: Moment) -> Result<(), StoreError> {
    lease(db, 0, moment).map(|_| ())
}

/// Leases numbers. Their list is published, and so is the next one: verifiers know a list long before its numbers are
/// given. Nobody else does the same at this time, because the row of the counter is held.
fn lease(db: &mut Connection, count: i64, moment: Moment) -> Result<i64, StoreError> {
    let first = issuance::lease_numbers(db, count)?;
    let list = first / LIST_SIZE;
    for id in [list, list + 1] {
        // Later lists of this name, in a database made anew, must not look older to verifiers: revisions begin with the time.
        status_lists::publish(db, id, moment.now)?;
    }
    // When a list was left decides when it is dropped: that is written down when the clock is not in doubt, at a later lease.
    if !moment.in_doubt {
        status_lists::leave(db, list, moment.now)?;
    }
    Ok(first)
}
