//! The part of the background task that keeps status lists current. It fetches side by side, and hands what comes to the
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
    fetch::{fetch_directory, fetch_list},
    fetched::{FetchedList, FetchedNames},
    plan::{Due, Plan},
};
use crate::{
    clock::Clock,
    remote::{
        events::parser::ListChange,
        http::{FetchError, Known},
        state::State,
    },
};

/// Fetches side by side.
const MAX_FETCHES: usize = 16;

/// The part; [`run`](Self::run) is what it does.
pub(in crate::remote) struct ListWorker {
    state: Arc<State>,
    clock: Clock,
    asked: mpsc::Receiver<String>,
    announced: mpsc::Receiver<ListChange>,
    plan: Plan,
    fetches: JoinSet<Done>,
}

/// A fetch that is over.
enum Done {
    List(Arc<str>, Result<FetchedList, FetchError>),
    Names(Url, Result<FetchedNames, FetchError>),
}

impl ListWorker {
    /// `None` when no status is looked up.
    pub(in crate::remote) fn new(
        state: &Arc<State>,
        clock: Clock,
        asked: mpsc::Receiver<String>,
        announced: mpsc::Receiver<ListChange>,
    ) -> Option<Self> {
        let plan = Plan::new(Arc::clone(state), clock.clone(), Instant::now())?;
        Some(Self { state: Arc::clone(state), clock, asked, announced, plan, fetches: JoinSet::new() })
    }

    /// Runs for ever.
    pub(in crate::remote) async fn run(mut self) {
        let mut endpoints = self.state.endpoints.subscribe();
        let mut generation = self.state.key_generation.subscribe();
        let mut streaming = self.state.streaming.subscribe();
        loop {
            self.begin_what_is_due();
            let full = self.fetches.len() >= MAX_FETCHES;
            let next = self.plan.next();
            select! {
                Some(Ok(done)) = self.fetches.join_next(), if !self.fetches.is_empty() => self.take(done),
                Some(uri) = self.asked.recv() => self.plan.asked_for(&uri, Instant::now()),
                Some(event) = self.announced.recv() => self.plan.heard_of(&event, Instant::now()),
                Ok(()) = endpoints.changed() => self.plan.read_names(Instant::now()),
                Ok(()) = generation.changed() => self.plan.replace_what_lost_its_key(Instant::now()),
                Ok(()) = streaming.changed() => {
                    if !*streaming.borrow_and_update() {
                        self.plan.without_stream(Instant::now());
                    }
                }
                () = sleep_until(next), if !full => {}
            }
        }
    }

    fn begin_what_is_due(&mut self) {
        let now = Instant::now();
        if let Some((url, etag)) = self.plan.begin_names(now) {
            let (state, clock) = (Arc::clone(&self.state), self.clock.clone());
            self.fetches.spawn(async move {
                let read = fetch_directory(&state, &clock, &url, etag.as_ref()).await;
                Done::Names(url, read)
            });
        }
        let room = MAX_FETCHES.saturating_sub(self.fetches.len());
        for Due { uri, etag, outdated } in self.plan.begin_lists(room, now) {
            let (state, clock) = (Arc::clone(&self.state), self.clock.clone());
            self.fetches.spawn(async move {
                let known = Known { etag: etag.as_ref(), outdated };
                let brought = fetch_list(&state, &clock, &uri, known).await;
                Done::List(uri, brought)
            });
        }
    }

    fn take(&mut self, done: Done) {
        let now = Instant::now();
        match done {
            Done::Names(url, read) => self.plan.take_names(&url, read, now),
            Done::List(uri, brought) => self.plan.take_list(&uri, brought, now),
        }
    }
}
