//! An attempt whose password is being checked.

use tokio::runtime::Handle;

use crate::domain::authn::throttle::budget::Budget;
use crate::domain::authn::throttle::counter::Outcome;
use crate::domain::authn::throttle::counters::CounterKeys;
use crate::domain::authn::throttle::rules::ThrottleRules;
use crate::domain::clock::DatabaseClock;
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::guesses;

/// An attempt that has begun. If it is dropped undecided, because its client has closed the connection, it counts as a failure.
pub(in crate::domain) struct PendingAttempt {
    store: Store,
    clock: DatabaseClock,
    rules: ThrottleRules,
    keys: Option<CounterKeys>,
    trusted: bool,
}

impl PendingAttempt {
    pub(super) fn new(
        store: Store,
        clock: DatabaseClock,
        rules: ThrottleRules,
        keys: CounterKeys,
        trusted: bool,
    ) -> Self {
        Self { store, clock, rules, keys: Some(keys), trusted }
    }

    /// Stores the outcome, and returns what the client learns.
    pub(in crate::domain) async fn decide(mut self, outcome: Outcome) -> Result<Option<Budget>, StoreError> {
        match self.keys.take() {
            Some(keys) => self.settle(keys, outcome).await.map(Some),
            None => Ok(None),
        }
    }

    fn settle(
        &self,
        keys: CounterKeys,
        outcome: Outcome,
    ) -> impl Future<Output = Result<Budget, StoreError>> + Send + use<> {
        let (store, rules, trusted) = (self.store.clone(), self.rules, self.trusted);
        let moment = self.clock.moment();
        let settle = move |db: &mut Connection| {
            let reset = outcome == Outcome::Right && guesses::find(db, &keys.displayed)?.is_some();
            let mut counters = keys.hold(db, reset || outcome == Outcome::Wrong)?;
            rules.decide(&mut counters, trusted, outcome, moment);
            counters.iter().try_for_each(|counter| guesses::put(db, counter))?;
            let mut displayed = keys.read_displayed(db)?;
            let budget = rules.show(&mut displayed, outcome, moment);
            match outcome {
                Outcome::Wrong => guesses::put(db, &displayed)?,
                Outcome::Right if reset => guesses::delete(db, &keys.displayed)?,
                Outcome::Right | Outcome::Withdrawn => {}
            }
            Ok(budget)
        };
        async move { store.write(settle).await }
    }
}

impl Drop for PendingAttempt {
    fn drop(&mut self) {
        let Some(keys) = self.keys.take() else { return };
        // Where no task can be spawned, it counts as a failure once its deadline has passed.
        if let Ok(runtime) = Handle::try_current() {
            let settled = self.settle(keys, Outcome::Wrong);
            runtime.spawn(async move {
                if let Err(error) = settled.await {
                    log::debug!("an attempt whose client has gone could not be counted: {error}");
                }
            });
        }
    }
}
