//! The one task in the background, and its parts: keys, lists, events, snapshot. They run side by side in it and end
//! together.

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

/// Events that wait to be looked at; more stay in the connection.
const EVENTS: usize = 64;

/// All that the task needs; [`run`](Self::run) is the task.
pub(super) struct Background {
    pub(super) state: Arc<State>,
    /// Lists that requests ask for.
    pub(super) asked: mpsc::Receiver<String>,
    /// The other end is dropped with the last verifier.
    pub(super) end: oneshot::Receiver<()>,
    pub(super) snapshot: Option<Snapshot>,
}

impl Background {
    /// Runs until the last verifier is dropped.
    pub(super) async fn run(self, clock: Clock) {
        let Self { state, asked, end, snapshot } = self;
        let (announce, announced) = mpsc::channel(EVENTS);
        let keys = KeyWorker::new(Arc::clone(&state), clock.clone()).run();
        let stream = Stream::new(Arc::clone(&state), announce).run();
        let lists = async {
            match ListWorker::new(&state, clock, asked, announced) {
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
