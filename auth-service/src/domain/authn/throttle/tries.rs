//! A try that is being judged, and what becomes of it.

use tokio::runtime::Handle;

use crate::domain::authn::authenticator::Authenticator;
use crate::domain::authn::throttle::buckets::Buckets;
use crate::domain::authn::throttle::tally::Outcome;
use crate::domain::authn::throttle::{Budget, GuessingRules};
use crate::domain::clock::DatabaseClock;
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::guesses;

/// A try that has begun. Dropped undecided, because its client has gone, it is a failure.
pub(super) struct Try {
    store: Store,
    clock: DatabaseClock,
    rules: GuessingRules,
    buckets: Option<Buckets>,
    welcome: bool,
}

impl Try {
    pub(super) fn new(
        authenticator: &Authenticator,
        rules: GuessingRules,
        buckets: Buckets,
        welcome: bool,
    ) -> Self {
        let (store, clock) = (authenticator.store.clone(), authenticator.clock.clone());
        Self { store, clock, rules, buckets: Some(buckets), welcome }
    }

    pub(super) async fn decide(mut self, outcome: Outcome) -> Result<Option<Budget>, StoreError> {
        match self.buckets.take() {
            Some(buckets) => self.settle(buckets, outcome).await.map(Some),
            None => Ok(None),
        }
    }

    fn settle(
        &self,
        buckets: Buckets,
        outcome: Outcome,
    ) -> impl Future<Output = Result<Budget, StoreError>> + Send + use<> {
        let (store, rules, welcome) = (self.store.clone(), self.rules, self.welcome);
        let moment = self.clock.moment();
        let settle = move |db: &mut Connection| {
            let reset = outcome == Outcome::Right && guesses::find(db, &buckets.shown)?.is_some();
            let mut tallies = buckets.hold(db, reset || outcome == Outcome::Wrong)?;
            rules.decide(&mut tallies, welcome, outcome, moment);
            tallies.iter().try_for_each(|tally| guesses::put(db, tally))?;
            let mut shown = buckets.read_shown(db)?;
            let budget = rules.show(&mut shown, outcome, moment);
            match outcome {
                Outcome::Wrong => guesses::put(db, &shown)?,
                Outcome::Right if reset => guesses::delete(db, &buckets.shown)?,
                Outcome::Right | Outcome::Withdrawn => {}
            }
            Ok(budget)
        };
        async move { store.write(settle).await }
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        let Some(buckets) = self.buckets.take() else { return };
        // Where nothing can be spawned, it counts as a failure when its time is over.
        if let Ok(runtime) = Handle::try_current() {
            let settled = self.settle(buckets, Outcome::Wrong);
            runtime.spawn(async move {
                if let Err(error) = settled.await {
                    log::debug!("a try whose client has gone could not be counted: {error}");
                }
            });
        }
    }
}
