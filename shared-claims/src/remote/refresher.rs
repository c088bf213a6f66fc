//! What requests see of the background: what is known of revocations, and a second of waiting for what is not known.

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
    lists::store::Place,
    lock::lock,
    snapshot::keeper::Snapshot,
    state::{PATIENCE, State},
};
use crate::{
    claims::standard::StatusReference,
    clock::Clock,
    error::refusal::Refusal,
    faults::Faults,
    readiness::{Polling, Revocations},
};

/// The verifier's end: dropped with the last verifier, which ends the task.
pub(crate) struct Refresher {
    state: Arc<State>,
    /// The task before it is started.
    background: Mutex<Option<Background>>,
    /// The task runs while this is there. Closed: the runtime that it lived in is gone.
    alive: oneshot::Sender<()>,
}

/// Until when a request waits, for all that it waits for together.
#[derive(Clone, Copy)]
pub(crate) struct Patience(Instant);

impl Patience {
    pub(crate) fn begin() -> Self {
        Self(Instant::now() + PATIENCE)
    }
}

impl Refresher {
    pub(super) fn new(state: State, asked: mpsc::Receiver<String>, snapshot: Option<PathBuf>) -> Self {
        let (alive, end) = oneshot::channel();
        let state = Arc::new(state);
        let snapshot = snapshot.map(|path| Snapshot::new(path, Arc::clone(&state)));
        let background = Background { state: Arc::clone(&state), asked, end, snapshot };
        Self { state, background: Mutex::new(Some(background)), alive }
    }

    /// There is no task: what is known comes by other ways for as long as the receiver is there.
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
            self.state.report(Some("the first fetch is under way"));
            tokio::spawn(background.run(clock.clone()));
        }
    }

    /// Waits until a fetch of the keys is over, a second at most, and not at all when there will be none; `false` when it is
    /// not over by then.
    pub(crate) async fn wait_for_keys(&self, patience: Patience) -> bool {
        self.alive.is_closed() || self.state.wait_for_keys(patience.0).await
    }

    /// The same for the status list that a token names.
    pub(crate) async fn wait_for_list(&self, status: &StatusReference, patience: Patience) {
        let started = self.is_started();
        if let Some(revocation) = &self.state.lists
            && started
            && !self.alive.is_closed()
            && self.state.list_urls(&status.uri).is_ok()
            && let Some(mut over) = revocation.requests.request(&status.uri)
        {
            let _ = timeout_at(patience.0, over.changed()).await; // what came of it is among the lists
        }
    }

    /// Whether a token that expires at `exp`, in seconds since 1970, was revoked, by what is known.
    ///
    /// # Errors
    /// [`Refusal::Revoked`]; [`Refusal::Unavailable`] when the list is not known, or too old to be used;
    /// [`Refusal::Malformed`] when it is not the issuer's, or has no such place.
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

    /// Where the status list of a token is kept, for [`check_place`](Self::check_place). `None` when no status is looked up,
    /// or the list is not known.
    pub(crate) fn place(&self, status: &StatusReference) -> Option<Arc<Place>> {
        self.state.lists.as_ref()?.lists.place(&status.uri)
    }

    /// As [`check_status`](Self::check_status), without looking the list up.
    pub(crate) fn check_place(
        &self,
        place: &Place,
        idx: u64,
        now: u64,
        clock: &Clock,
    ) -> Result<(), Refusal> {
        let Some(revocation) = &self.state.lists else { return Ok(()) };
        revocation.lists.check_at(place, idx, self.state.now(now, clock))
    }

    /// Whether status is looked up at all.
    pub(crate) fn looks_status_up(&self) -> bool {
        self.state.lists.is_some()
    }

    /// What is known of revocations; `None` when nothing is looked up.
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

    /// How far the issuer's clock is ahead of this one, in seconds; `None` when nothing has said so.
    pub(crate) fn clock_skew(&self, clock: &Clock) -> Option<i64> {
        self.state.clock_skew(clock)
    }

    /// What has been warned of.
    pub(crate) fn faults(&self) -> &Arc<Faults> {
        &self.state.faults
    }

    /// Whether [`start`](Self::start) was called.
    pub(crate) fn is_started(&self) -> bool {
        lock(&self.background).is_none()
    }

    /// What is wrong with the latest fetch of the keys.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.state.trouble()
    }
}

impl fmt::Debug for Refresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refresher for {}", self.state.policy.issuer())
    }
}
