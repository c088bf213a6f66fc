//! Requests whose key is unknown: one fetch for all of them, and then a cool-down.
//!
//! A made-up `kid` costs the issuer at most one fetch per cool-down. A request with a known `kid` never comes here.

use std::{sync::Mutex, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::remote::lock::lock;

/// How long after a requested fetch requests cause no other. Regular refreshes do not count.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// What requests and the background task share.
#[derive(Debug)]
pub(in crate::remote) struct KeyRequests {
    stage: Mutex<Stage>,
    requested: Notify,
    /// Changes after each fetch that requests may be waiting for.
    fetched: watch::Sender<()>,
}

/// Whether a request may cause a fetch.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// No: the verifier has not been started.
    NotStarted,
    /// A fetch is in flight: the first one, or a requested one. Requests wait for it.
    Fetching,
    /// Yes.
    Open,
    /// Not before this time.
    CoolingUntil(Instant),
}

impl KeyRequests {
    pub(in crate::remote) fn new() -> Self {
        let stage = Mutex::new(Stage::NotStarted);
        Self { stage, requested: Notify::new(), fetched: watch::Sender::new(()) }
    }

    /// Requests a fetch, or joins the one in flight; `None` if there will be none.
    pub(in crate::remote) fn request(&self) -> Option<watch::Receiver<()>> {
        let mut stage = lock(&self.stage);
        match *stage {
            Stage::NotStarted => return None,
            Stage::CoolingUntil(end) if Instant::now() < end => return None,
            Stage::Fetching => {}
            Stage::Open | Stage::CoolingUntil(_) => self.requested.notify_one(),
        }
        *stage = Stage::Fetching;
        Some(self.fetched.subscribe())
    }

    /// Waits until a fetch is requested.
    pub(in crate::remote) async fn requested(&self) {
        self.requested.notified().await;
    }

    /// Notes that the very first fetch begins.
    pub(in crate::remote) fn first_fetch_begins(&self) {
        *lock(&self.stage) = Stage::Fetching;
    }

    /// Notes that the very first fetch has ended. Waiting requests continue, and others may cause a fetch.
    pub(in crate::remote) fn first_fetch_finished(&self) {
        *lock(&self.stage) = Stage::Open;
        self.fetched.send_replace(());
    }

    /// Notes that a requested fetch has ended. Waiting requests continue, and the cool-down begins.
    pub(in crate::remote) fn requested_fetch_finished(&self) {
        *lock(&self.stage) = Stage::CoolingUntil(Instant::now() + COOL_DOWN);
        self.fetched.send_replace(());
    }
}
