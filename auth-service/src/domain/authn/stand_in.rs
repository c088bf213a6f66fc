//! The account whose hash is checked in place of one that does not exist: accounts have hashes of many kinds, and no kind may
//! tell a name with an account from one without.
//!
//! Names are spread over slots by a keyed digest, and one account is chosen for each slot, once. So the cost of a name does not
//! change when others register; it changes as that account's hash does, when its owner logs in. An import that
//! brings hashes of other kinds clears the choices. Each choice also ends after [`CHOSEN_FOR`], so that the first accounts of a
//! service do not stand in for ever; but not by a clock that is in doubt, which chooses nothing.

use crate::domain::authn::authenticator::Authenticator;
use crate::domain::clock::Moment;
use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;
use crate::store::{stand_ins, users};

/// Enough for the accounts' kinds of hashes to be represented.
const SLOTS: u32 = 256;
/// How long a choice is kept, in seconds: half a year.
const CHOSEN_FOR: i64 = 182 * 24 * 3600;

/// The stand-in of a name, as the database has it.
#[derive(Debug)]
pub(in crate::domain) struct StandIn {
    hash: Option<String>,
    /// The slot and the account that has just been chosen for it, to be remembered.
    choice: Option<(i64, String)>,
}

impl StandIn {
    /// Finds the stand-in for the name with this number.
    pub(in crate::domain) fn find(
        db: &mut Connection,
        number: u32,
        moment: Moment,
    ) -> Result<Self, StoreError> {
        let slot = i64::from(number / (u32::MAX / SLOTS + 1));
        let since = if moment.in_doubt { i64::MIN } else { moment.now.saturating_sub(CHOSEN_FOR) };
        let hash = stand_ins::hash(db, slot, since)?;
        if hash.is_some() {
            return Ok(Self { hash, choice: None });
        }
        let (id, hash) = users::chosen_by(db, number)?.unzip();
        Ok(Self { hash, choice: id.filter(|_| !moment.in_doubt).map(|id| (slot, id)) })
    }
}

impl Authenticator {
    /// Stores a new choice, and gives the hash to check; `None` when there are no accounts.
    pub(in crate::domain) async fn settle_stand_in(&self, stand_in: StandIn) -> Option<String> {
        let StandIn { hash, choice } = stand_in;
        let Some((slot, user_id)) = choice else { return hash };
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
                log::debug!("the choice of a stand-in is not remembered: {error}");
                hash
            }
        }
    }
}
