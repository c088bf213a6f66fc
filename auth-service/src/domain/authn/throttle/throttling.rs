//! The throttle: every password check asks it first.

use crate::domain::authn::passwords::{Class, HashingError};
use crate::domain::authn::throttle::attempt::Attempt;
use crate::domain::authn::throttle::counters::CounterKeys;
use crate::domain::authn::throttle::error::AttemptError;
use crate::domain::authn::throttle::pending::PendingAttempt;
use crate::domain::authn::throttle::rules::{Reservation, ThrottleRules};
use crate::domain::clock::DatabaseClock;
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::guesses;

/// Counts wrong passwords, and decides when the next attempt may be made.
pub struct Throttle {
    store: Store,
    clock: DatabaseClock,
    rules: ThrottleRules,
}

impl Throttle {
    /// Creates a throttle with these limits.
    #[must_use]
    pub fn new(store: Store, clock: DatabaseClock, rules: ThrottleRules) -> Self {
        Self { store, clock, rules }
    }

    /// Refuses an attempt that is too early; otherwise returns the class in which it waits for its turn. This only reads, and
    /// comes before the queue: a flood costs next to nothing.
    pub(in crate::domain) async fn admit(&self, attempt: Attempt<'_>) -> Result<Class, AttemptError> {
        let keys = CounterKeys::of(attempt);
        let counters = self.store.read(move |db| keys.read(db)).await?;
        self.rules.class(counters, self.clock.moment())
    }

    /// Counts an attempt before its password is checked. Called when the attempt has its turn, so every row costs a hash.
    pub(in crate::domain) async fn begin(
        &self,
        attempt: Attempt<'_>,
    ) -> Result<PendingAttempt, AttemptError> {
        let keys = CounterKeys::of(attempt);
        let (held, rules, moment) = (keys.clone(), self.rules, self.clock.moment());
        let reserve = move |db: &mut Connection| {
            let mut counters = held.hold(db, false)?;
            let reservation = rules.reserve(&mut counters, moment);
            if let Reservation::Begun { .. } = reservation {
                counters.iter().try_for_each(|counter| guesses::put(db, counter))?;
            }
            Ok::<_, StoreError>(reservation)
        };
        match self.store.write(reserve).await? {
            Reservation::Begun { trusted } => {
                Ok(PendingAttempt::new(self.store.clone(), self.clock.clone(), rules, keys, trusted))
            }
            Reservation::TooMany(budget) => Err(AttemptError::TooMany(budget)),
            // As many are being checked elsewhere as could be wrong: at another replica, from another source, or for the
            // account's other identifier. Waiting for them would occupy a thread.
            Reservation::Undecided => Err(HashingError::Overloaded.into()),
        }
    }
}
