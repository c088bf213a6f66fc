//! The part of the background task that keeps status lists current. It fetches concurrently and passes the results to the
//! plan.

use std::sync::Arc;

use tokio::{
    select,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use url::Url;

use super::{
    fetch::{fetch_aggregation, fetch_list},
    fetched::{FetchedAggregation, FetchedList},
    plan::{Due, Plan},
};
use crate::{
    clock::Clock,
    remote::{
        events::parser::ListChange,
        http::{Conditions, FetchError},
        state::State,
    },
};

/// The most concurrent fetches.
const MAX_FETCHES: usize = 16;

/// The worker; [`run`](Self::run) is its task.
pub(in crate::remote) struct ListWorker {
    state: Arc<State>,
    clock: Clock,
    requested: mpsc::Receiver<String>,
    changes: mpsc::Receiver<ListChange>,
    plan: Plan,
    fetches: JoinSet<Done>,
}

/// A finished fetch.
enum Done {
    List(Arc<str>, Result<FetchedList, FetchError>),
    Names(Url, Result<FetchedAggregation, FetchError>),
}

impl ListWorker {
    /// Creates the worker; `None` if status lists are turned off.
    pub(in crate::remote) fn new(
        state: &Arc<State>,
        clock: Clock,
        requested: mpsc::Receiver<String>,
        changes: mpsc::Receiver<ListChange>,
    ) -> Option<Self> {
        let plan = Plan::new(Arc::clone(state), clock.clone(), Instant::now())?;
        Some(Self { state: Arc::clone(state), clock, requested, changes, plan, fetches: JoinSet::new() })
    }

    /// Runs forever.
    pub(in crate::remote) async fn run(mut self) {
        let mut endpoints = self.state.endpoints.subscribe();
        let mut generation = self.state.key_generation.subscribe();
        let mut streaming = self.state.streaming.subscribe();
        loop {
            self.begin_due();
            let full = self.fetches.len() >= MAX_FETCHES;
            let next = self.plan.next();
            select! {
                Some(Ok(done)) = self.fetches.join_next(), if !self.fetches.is_empty() => self.take(done),
                Some(uri) = self.requested.recv() => self.plan.list_requested(&uri, Instant::now()),
                Some(event) = self.changes.recv() => self.plan.list_changed(&event, Instant::now()),
                Ok(()) = endpoints.changed() => self.plan.read_aggregation_soon(Instant::now()),
                Ok(()) = generation.changed() => self.plan.refetch_unvouched(Instant::now()),
                Ok(()) = streaming.changed() => {
                    if !*streaming.borrow_and_update() {
                        self.plan.stream_lost(Instant::now());
                    }
                }
                () = sleep_until(next), if !full => {}
            }
        }
    }

    fn begin_due(&mut self) {
        let now = Instant::now();
        if let Some((url, etag)) = self.plan.begin_aggregation(now) {
            let (state, clock) = (Arc::clone(&self.state), self.clock.clone());
            self.fetches.spawn(async move {
                let read = fetch_aggregation(&state, &clock, &url, etag.as_ref()).await;
                Done::Names(url, read)
            });
        }
        let room = MAX_FETCHES.saturating_sub(self.fetches.len());
        for Due { uri, etag, bypass_caches } in self.plan.begin_lists(room, now) {
            let (state, clock) = (Arc::clone(&self.state), self.clock.clone());
            self.fetches.spawn(async move {
                let known = Conditions { etag: etag.as_ref(), bypass_caches };
                let fetched = fetch_list(&state, &clock, &uri, known).await;
                Done::List(uri, fetched)
            });
        }
    }

    fn take(&mut self, done: Done) {
        let now = Instant::now();
        match done {
            Done::Names(url, read) => self.plan.take_aggregation(&url, read, now),
            Done::List(uri, fetched) => self.plan.take_list(&uri, fetched, now),
        }
    }
}
