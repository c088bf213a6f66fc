//! The background task. Its parts, for keys, lists, events and the snapshot, run concurrently and end together.

use std::{future::pending, sync::Arc};

use tokio::{
    select,
    sync::{mpsc, oneshot},
};

use super::{
    events::stream::Stream, keys::worker::KeyWorker, lists::worker::ListWorker, snapshot::keeper::Snapshot,
    state::State,
};
use crate::clock::Clock;

/// The most events that are queued; more stay in the connection.
const EVENTS: usize = 64;

/// The state of the task; [`run`](Self::run) is the task.
pub(super) struct Background {
    pub(super) state: Arc<State>,
    /// The URIs of lists that requests need.
    pub(super) requested: mpsc::Receiver<String>,
    /// Its sender is dropped with the last verifier.
    pub(super) end: oneshot::Receiver<()>,
    pub(super) snapshot: Option<Snapshot>,
}

impl Background {
    /// Runs until the last verifier is dropped.
    pub(super) async fn run(self, clock: Clock) {
        let Self { state, requested, end, snapshot } = self;
        let (change_sender, changes) = mpsc::channel(EVENTS);
        let keys = KeyWorker::new(Arc::clone(&state), clock.clone()).run();
        let stream = Stream::new(Arc::clone(&state), change_sender).run();
        let lists = async {
            match ListWorker::new(&state, clock, requested, changes) {
                Some(worker) => worker.run().await,
                None => pending().await,
            }
        };
        let saving = async {
            match snapshot {
                Some(snapshot) => snapshot.keep().await,
                None => pending().await,
            }
        };
        select! {
            _ = end => {}
            () = keys => {}
            () = stream => {}
            () = lists => {}
            () = saving => {}
        }
    }
}
