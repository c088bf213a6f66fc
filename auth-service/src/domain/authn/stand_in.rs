//! The account whose hash is checked in place of an unknown one. Accounts may have hashes of many kinds, and no kind may
//! reveal whether a name exists.
//!
//! Names are spread over slots by a keyed digest, and one account is chosen for each slot, once. So the cost of a name does not
//! change when users register; it changes when the chosen account's hash does, at a login of its owner. An import that brings
//! hashes of other kinds clears the choices. Each choice also ends after [`CHOSEN_FOR`], so that the first accounts of a
//! service do not stand in for ever. While the clock is in doubt, nothing is chosen.

use crate::domain::clock::{DatabaseClock, Moment};
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::{stand_ins, users};

/// Enough for every kind of hash among the accounts to be chosen.
const SLOTS: u32 = 256;
/// How long a choice is kept, in seconds: half a year.
const CHOSEN_FOR: i64 = 182 * 24 * 3600;

/// The stand-in of a name, as the database has it.
#[derive(Debug)]
pub(super) struct StandIn {
    hash: Option<String>,
    choice: Option<Choice>,
}

/// An account that was just chosen for a slot, to be stored.
#[derive(Debug)]
struct Choice {
    slot: i64,
    user_id: String,
}

impl StandIn {
    /// Finds the stand-in for the name with this number.
    pub(super) fn find(db: &mut Connection, number: u32, moment: Moment) -> Result<Self, StoreError> {
        let slot = i64::from(number / (u32::MAX / SLOTS + 1));
        let since = if moment.in_doubt { i64::MIN } else { moment.now.saturating_sub(CHOSEN_FOR) };
        let hash = stand_ins::hash(db, slot, since)?;
        if hash.is_some() {
            return Ok(Self { hash, choice: None });
        }
        let (id, hash) = users::chosen_by(db, number)?.unzip();
        let choice = id.filter(|_| !moment.in_doubt).map(|user_id| Choice { slot, user_id });
        Ok(Self { hash, choice })
    }
}

/// Stores which accounts stand in.
pub(super) struct StandIns {
    store: Store,
    clock: DatabaseClock,
}

impl StandIns {
    pub(super) fn new(store: Store, clock: DatabaseClock) -> Self {
        Self { store, clock }
    }

    /// Stores a new choice, and returns the hash to check; `None` when there are no accounts.
    pub(super) async fn remember(&self, stand_in: StandIn) -> Option<String> {
        let StandIn { hash, choice } = stand_in;
        let Some(Choice { slot, user_id }) = choice else { return hash };
        let now = self.clock.now();
        let since = now.saturating_sub(CHOSEN_FOR);
        let remember = move |db: &mut Connection| {
            stand_ins::choose(db, (slot, &user_id), now, since)?;
            // Another request may have been first.
            stand_ins::hash(db, slot, since)
        };
        match self.store.write(remember).await {
            Ok(chosen) => chosen.or(hash),
            Err(error) => {
                log::debug!("the choice of a stand-in could not be stored: {error}");
                hash
            }
        }
    }
}
