//! Requests whose key is not known: one fetch for all of them, and then a pause.
//!
//! A made-up `kid` costs the issuer at most one fetch per cool-down, and a request with a known `kid` never
//! comes here.

use std::{sync::Mutex, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::remote::lock::lock;

/// How long after a fetch that requests asked for none is made for them. Regular refreshes do not count.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// What requests and the background task agree by.
#[derive(Debug)]
pub(in crate::remote) struct KeyRequests {
    stage: Mutex<Stage>,
    asked: Notify,
    /// Changes after each fetch that requests may be waiting for.
    fetched: watch::Sender<()>,
}

/// May a request have a fetch?
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// No: nobody has called `start`.
    NotStarted,
    /// One is under way: the first of all, or one that was asked for. All wait for it.
    Fetching,
    /// Yes.
    Open,
    /// Not yet.
    CoolingUntil(Instant),
}

impl KeyRequests {
    pub(in crate::remote) fn new() -> Self {
        let stage = Mutex::new(Stage::NotStarted);
        Self { stage, asked: Notify::new(), fetched: watch::Sender::new(()) }
    }

    /// Asks for a fetch, or joins the one under way; `None` when there will be none.
    pub(in crate::remote) fn request(&self) -> Option<watch::Receiver<()>> {
        let mut stage = lock(&self.stage);
        match *stage {
            Stage::NotStarted => return None,
            Stage::CoolingUntil(end) if Instant::now() < end => return None,
            Stage::Fetching => {}
            Stage::Open | Stage::CoolingUntil(_) => self.asked.notify_one(),
        }
        *stage = Stage::Fetching;
        Some(self.fetched.subscribe())
    }

    /// Waits until a fetch is asked for.
    pub(in crate::remote) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// The very first fetch is about to begin.
    pub(in crate::remote) fn first_fetch_begins(&self) {
        *lock(&self.stage) = Stage::Fetching;
    }

    /// The very first fetch is over: whoever waited for it goes on, and a fetch may be asked for.
    pub(in crate::remote) fn first_fetch_is_over(&self) {
        *lock(&self.stage) = Stage::Open;
        self.fetched.send_replace(());
    }

    /// A fetch that was asked for is over: whoever waited for it goes on, and the cool-down begins.
    pub(in crate::remote) fn asked_fetch_is_over(&self) {
        *lock(&self.stage) = Stage::CoolingUntil(Instant::now() + COOL_DOWN);
        self.fetched.send_replace(());
    }
}
