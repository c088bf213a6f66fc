//! What requests see of the background: they may ask for one fetch together, and wait a second for it.
//!
//! A made-up `kid` costs the issuer at most one fetch per cool-down, and a request with a known `kid` never
//! comes here.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};

use super::worker::Worker;
use crate::key_store::KeyStore;

/// How long a request waits for a fetch.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long after a fetch that requests asked for none is made for them. Regular refreshes do not count.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// The verifier's end: dropped with the last verifier, which ends the task.
#[derive(Debug)]
pub(crate) struct Refresher {
    asks: mpsc::Sender<()>,
    shared: Arc<Shared>,
    /// The task before it is started.
    worker: Mutex<Option<Worker>>,
}

/// What the verifier and the task both know.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Arc<KeyStore>,
    stage: Mutex<Stage>,
    /// Changes after each fetch that requests may be waiting for.
    fetched: watch::Sender<()>,
    trouble: Mutex<Option<String>>,
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

impl Refresher {
    pub(super) fn new(
        store: Arc<KeyStore>,
        worker: impl FnOnce(mpsc::Receiver<()>, Arc<Shared>) -> Worker,
    ) -> Self {
        let (asks, asked) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            store,
            stage: Mutex::new(Stage::NotStarted),
            fetched: watch::Sender::new(()),
            trouble: Mutex::new(Some("the verifier has not been started".to_owned())),
        });
        let worker = Mutex::new(Some(worker(asked, Arc::clone(&shared))));
        Self { asks, shared, worker }
    }

    /// Spawns the task, the first time.
    pub(crate) fn start(&self) {
        if let Some(worker) = lock(&self.worker).take() {
            *lock(&self.shared.stage) = Stage::Fetching;
            self.shared.report(Some("the first fetch is under way"));
            tokio::spawn(worker.run());
        }
    }

    /// Waits until a fetch is over, a second at most, and not at all when there will be none.
    pub(crate) async fn wait_for_fetch(&self) {
        if let Some(mut fetched) = self.ask() {
            let _ = timeout(PATIENCE, fetched.changed()).await; // what came of it is in the store
        }
    }

    /// Asks for a fetch, or joins the one under way; `None` when there will be none.
    fn ask(&self) -> Option<watch::Receiver<()>> {
        let mut stage = lock(&self.shared.stage);
        let may_ask = match *stage {
            Stage::NotStarted => return None,
            Stage::Fetching => false,
            Stage::CoolingUntil(end) if Instant::now() < end => return None,
            Stage::Open | Stage::CoolingUntil(_) => true,
        };
        if self.asks.is_closed() || (may_ask && self.asks.try_send(()).is_err()) {
            return None; // the runtime that the task lived in is gone
        }
        *stage = Stage::Fetching;
        Some(self.shared.fetched.subscribe())
    }

    /// What is wrong with the latest fetch.
    pub(crate) fn trouble(&self) -> Option<String> {
        lock(&self.shared.trouble).clone()
    }
}

impl Shared {
    /// The very first fetch is over: whoever waited for it goes on, and a fetch may be asked for.
    pub(super) fn first_fetch_is_over(&self) {
        *lock(&self.stage) = Stage::Open;
        self.fetched.send_replace(());
    }

    /// A fetch that was asked for is over: whoever waited for it goes on, and the cool-down begins.
    pub(super) fn asked_fetch_is_over(&self) {
        *lock(&self.stage) = Stage::CoolingUntil(Instant::now() + COOL_DOWN);
        self.fetched.send_replace(());
    }

    pub(super) fn report(&self, trouble: Option<&str>) {
        *lock(&self.trouble) = trouble.map(str::to_owned);
    }
}

/// Nothing panics while it holds one of these locks, and what they guard is whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
