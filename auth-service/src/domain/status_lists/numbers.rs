//! The numbers of sessions and clients: their places in the status lists, never given twice.
//!
//! A process leases a block of them and hands them out in random order, so that neighbours in a list tell nothing about
//! each other. What it does not use before it ends is lost; there are enough.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::clock::Moment;
use crate::domain::clock::TOLERANCE;
use crate::domain::random;
use crate::domain::status_lists::LIST_SIZE;
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::{issuance, status_lists};

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
    /// All numbers of the lease. Only these are given: others may belong to a list that is gone.
    block: Range<i64>,
    free: Vec<i64>,
    /// Unix seconds.
    until: i64,
    /// Rises when numbers are forgotten.
    forgotten: u64,
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
        loop {
            let forgotten = self.leased().forgotten;
            let first = store.write(move |db| lease(db, BLOCK, moment)).await?;
            let mut leased = self.leased();
            if leased.forgotten == forgotten {
                return Ok(leased.begin(first, now));
            }
            // The database began anew meanwhile, maybe after the lease.
        }
    }

    /// Takes back a number that was certainly not used. One of an earlier lease is lost.
    pub(in crate::domain) fn give_back(&self, number: i64) {
        let mut leased = self.leased();
        if leased.block.contains(&number) {
            leased.free.push(number);
        }
    }

    /// Forgets all numbers: after a restore they may have been given before.
    pub(in crate::domain) fn forget(&self) {
        let mut leased = self.leased();
        *leased = Leased { forgotten: leased.forgotten + 1, ..Leased::default() };
    }

    fn pick(&self, now: i64) -> Option<i64> {
        self.leased().pick(now)
    }

    /// Nothing panics while it holds this lock, and what it guards is whole at any time.
    fn leased(&self) -> MutexGuard<'_, Leased> {
        self.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leased {
    /// Takes over a lease, and gives one number of it.
    fn begin(&mut self, first: i64, now: i64) -> i64 {
        self.block = first..first + BLOCK;
        self.free = self.block.clone().collect();
        self.until = now.saturating_add(LEASE);
        self.pick(now).unwrap_or(first)
    }

    fn pick(&mut self, now: i64) -> Option<i64> {
        // One that has longer to go than a lease lasts was taken by a clock that was ahead: its list may be gone.
        let left = self.until.saturating_sub(now);
        if self.free.is_empty() || !(1..=LEASE + TOLERANCE).contains(&left) {
            return None;
        }
        // Not quite even over the block, and that is even enough to hide an order.
        let random = u64::from_le_bytes(*random::bytes::<8>()) % self.free.len() as u64;
        let index = usize::try_from(random).unwrap_or(0);
        Some(self.free.swap_remove(index))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_given_back_after_a_recovery_is_not_given_again() {
        let numbers = Numbers::default();
        let old = numbers.leased().begin(0, 100);
        numbers.forget();
        numbers.give_back(old);
        assert_eq!(numbers.pick(100), None);
        let first = numbers.leased().begin(1 << 33, 100);
        numbers.give_back(old);
        numbers.give_back(first);
        let rest: Vec<i64> = std::iter::from_fn(|| numbers.pick(100)).collect();
        assert_eq!(i64::try_from(rest.len()), Ok(BLOCK));
        assert!(rest.iter().all(|number| *number >= 1 << 33), "the list of the old one is gone");
    }

    #[test]
    fn a_number_of_a_lease_that_is_over_is_not_given_again() {
        let numbers = Numbers::default();
        let old = numbers.leased().begin(0, 100);
        numbers.leased().begin(BLOCK, 100 + LEASE);
        numbers.give_back(old);
        assert!(std::iter::from_fn(|| numbers.pick(100 + LEASE)).all(|number| number >= BLOCK));
    }

    #[test]
    fn a_lease_that_was_taken_while_the_clock_was_ahead_does_not_last_for_the_jump() {
        let numbers = Numbers::default();
        let year = 365 * 24 * 3600;
        numbers.leased().begin(0, 100 + year);
        assert!(numbers.pick(100 + year).is_some());
        assert_eq!(numbers.pick(100), None);
        numbers.leased().begin(BLOCK, 100);
        assert!(numbers.pick(100 - TOLERANCE).is_some(), "as far as a clock may be set without doubt");
        assert_eq!(numbers.pick(99 - TOLERANCE), None);
    }
}
