//! The verifier's handle to the background task: checks statuses, and lets requests wait for a fetch.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::Ordering},
};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{
    background::Background,
    lists::store::StatusEntry,
    lock::lock,
    snapshot::keeper::Snapshot,
    state::{MAX_WAIT, State},
};
use crate::{
    claims::standard::StatusReference,
    clock::Clock,
    error::refusal::Refusal,
    faults::Faults,
    readiness::{Polling, Revocations},
};

/// The handle. It is dropped with the last verifier, which ends the task.
pub(crate) struct Refresher {
    state: Arc<State>,
    /// The task, until it is started.
    background: Mutex<Option<Background>>,
    /// The task runs while this exists. It is closed if the task's runtime is gone.
    alive: oneshot::Sender<()>,
}

/// Until when a request waits, for keys and lists together.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn begin() -> Self {
        Self(Instant::now() + MAX_WAIT)
    }
}

impl Refresher {
    pub(super) fn new(state: State, requested: mpsc::Receiver<String>, snapshot: Option<PathBuf>) -> Self {
        let (alive, end) = oneshot::channel();
        let state = Arc::new(state);
        let snapshot = snapshot.map(|path| Snapshot::new(path, Arc::clone(&state)));
        let background = Background { state: Arc::clone(&state), requested, end, snapshot };
        Self { state, background: Mutex::new(Some(background)), alive }
    }

    /// Creates a handle without a task. It counts as running while the receiver exists.
    #[cfg(feature = "testing")]
    pub(super) fn without_task(state: State) -> (Self, oneshot::Receiver<()>) {
        let (alive, end) = oneshot::channel();
        (Self { state: Arc::new(state), background: Mutex::new(None), alive }, end)
    }

    #[cfg(feature = "testing")]
    pub(super) fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Reads the snapshot and spawns the task, the first time.
    pub(crate) fn start(&self, clock: &Clock) {
        if let Some(background) = lock(&self.background).take() {
            if let Some(snapshot) = &background.snapshot {
                snapshot.restore(clock);
            }
            self.state.key_requests.first_fetch_begins();
            self.state.report(Some("the first fetch is in progress"));
            tokio::spawn(background.run(clock.clone()));
        }
    }

    /// Waits for a fetch of the keys, unless there will be none. Returns whether it ended in time.
    pub(crate) async fn wait_for_keys(&self, deadline: Deadline) -> bool {
        self.alive.is_closed() || self.state.wait_for_keys(deadline.0).await
    }

    /// Waits for a fetch of the status list that a token names, unless there will be none.
    pub(crate) async fn wait_for_list(&self, status: &StatusReference, deadline: Deadline) {
        let started = self.is_started();
        if let Some(revocation) = &self.state.lists
            && started
            && !self.alive.is_closed()
            && self.state.list_urls(&status.uri).is_ok()
            && let Some(mut over) = revocation.requests.request(&status.uri)
        {
            let _ = timeout_at(deadline.0, over.changed()).await; // the result is in the store
        }
    }

    /// Checks the status of a token that expires at `exp`, in seconds since 1970, by the lists in memory.
    ///
    /// # Errors
    /// [`Refusal::Revoked`]; [`Refusal::Unavailable`] if the list is unknown or too old; [`Refusal::Malformed`] if it is not
    /// the issuer's, or has no such index.
    pub(crate) fn check_status(
        &self,
        status: &StatusReference,
        exp: u64,
        clock: &Clock,
    ) -> Result<(), Refusal> {
        let Some(revocation) = &self.state.lists else { return Ok(()) };
        let checked =
            revocation.lists.check(&status.uri, status.idx, exp, self.state.now(clock.now(), clock));
        checked.unwrap_or_else(|| self.state.list_urls(&status.uri).and(Err(Refusal::Unavailable)))
    }

    /// Returns the entry of a token, for [`check_entry`](Self::check_entry). `None` if status lists are turned off, or the list
    /// is unknown.
    pub(crate) fn entry(&self, status: &StatusReference) -> Option<StatusEntry> {
        let slot = self.state.lists.as_ref()?.lists.slot(&status.uri)?;
        Some(StatusEntry { slot, idx: status.idx })
    }

    /// Checks a status like [`check_status`](Self::check_status), without looking the list up.
    pub(crate) fn check_entry(&self, entry: &StatusEntry, now: u64, clock: &Clock) -> Result<(), Refusal> {
        let Some(revocation) = &self.state.lists else { return Ok(()) };
        revocation.lists.check_entry(entry, self.state.now(now, clock))
    }

    /// Returns whether status lists are checked.
    pub(crate) fn checks_status(&self) -> bool {
        self.state.lists.is_some()
    }

    /// Returns the state of the status lists; `None` if they are turned off.
    pub(crate) fn revocations(&self, now: Instant) -> Option<Revocations> {
        let (lists, oldest) = self.state.lists.as_ref()?.lists.count_and_oldest(now);
        let is_alive = !self.alive.is_closed();
        let streaming = *self.state.streaming.borrow() && is_alive;
        let polling = (is_alive && !streaming).then(|| self.polling());
        Some(Revocations { lists, oldest_age_secs: oldest.as_secs(), streaming, polling })
    }

    fn polling(&self) -> Polling {
        if self.state.revisions_known.load(Ordering::Relaxed) { Polling::Revisions } else { Polling::Lists }
    }

    /// Returns how many seconds the issuer's clock is ahead; `None` if that is unknown.
    pub(crate) fn clock_skew(&self, clock: &Clock) -> Option<i64> {
        self.state.clock_skew(clock)
    }

    /// Returns the record of warnings.
    pub(crate) fn faults(&self) -> &Arc<Faults> {
        &self.state.faults
    }

    /// Returns whether [`start`](Self::start) was called.
    pub(crate) fn is_started(&self) -> bool {
        lock(&self.background).is_none()
    }

    /// Returns the error of the latest fetch of the keys.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.state.trouble()
    }
}

impl fmt::Debug for Refresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refresher for {}", self.state.policy.issuer())
    }
}
