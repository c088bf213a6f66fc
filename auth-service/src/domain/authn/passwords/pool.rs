//! The threads that hash passwords, and nothing else: a flood of logins slows logins, and no other request.

use std::sync::Arc;
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use thread_priority::ThreadPriority;
use tokio::sync::oneshot;

use crate::domain::authn::passwords::hashing::{Candidate, Hashing, Verification};
use crate::domain::authn::passwords::hashing_error::HashingError;
use crate::domain::authn::passwords::line::{Line, Turn};
use crate::domain::authn::passwords::queue::{Arrival, QueueLimits};
use crate::domain::authn::passwords::stored::Unusable;

/// For so many threads one more turn is given than there are threads: what a turn needs from the database is then done while
/// all threads hash.
const THREADS_PER_SPARE_TURN: usize = 4;

/// How much hashing is accepted.
#[derive(Debug, Clone, Copy)]
pub struct HashingLimits {
    /// Threads; 0 for as many as there are cores.
    pub threads: usize,
    /// Jobs that may wait for a thread.
    pub queue: usize,
    /// How long a job may wait.
    pub deadline: Duration,
    /// Jobs that may wait for one identifier from one source, and then only one of them runs; `None`: any number.
    pub waiting_per_pair: Option<usize>,
    /// Whether the threads run at the lowest priority.
    pub low_priority: bool,
}

/// Hashes and verifies passwords on threads of its own, for one network after the other.
#[derive(Debug)]
pub struct Hasher {
    threads: ThreadPool,
    line: Arc<Line>,
    deadline: Duration,
    hashing: Arc<Hashing>,
}

impl Hasher {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives none.
    pub fn start(hashing: Hashing, limits: HashingLimits) -> Result<Self, ThreadPoolBuildError> {
        let name = |index| format!("hashing-{index}");
        let threads = ThreadPoolBuilder::new()
            .num_threads(limits.threads)
            .thread_name(name)
            .start_handler(move |_| {
                if limits.low_priority {
                    yield_to_everything_else();
                }
            })
            .build()?;
        let count = threads.current_num_threads();
        let line = Line::new(QueueLimits {
            places: limits.queue,
            turns: count + count.div_ceil(THREADS_PER_SPARE_TURN),
            waiting_per_pair: limits.waiting_per_pair,
        });
        Ok(Self { threads, line, deadline: limits.deadline, hashing: hashing.into() })
    }

    /// Whether one more may wait for this identifier from this source. It may be otherwise a moment later: this only spares
    /// work.
    #[must_use]
    pub fn admits(&self, arrival: &Arrival) -> bool {
        self.line.admits(arrival)
    }

    /// Waits for a turn to hash.
    ///
    /// # Errors
    /// [`HashingError::Overloaded`].
    pub async fn turn(&self, arrival: Arrival) -> Result<Turn, HashingError> {
        self.line.turn(arrival, self.deadline).await
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// [`HashingError`].
    pub async fn hash(&self, arrival: Arrival, password: SecretString) -> Result<String, HashingError> {
        let mut turn = self.turn(arrival).await?;
        let hashing = Arc::clone(&self.hashing);
        let hash = self.run(&mut turn, move || (hashing.hash(password.expose_secret()), 1)).await?;
        hash.ok_or(HashingError::Impossible)
    }

    /// Whether `password` is right; with `renew`, what to store instead of an outdated hash as well. Until `turn` is dropped,
    /// others for the same identifier from the same source wait.
    ///
    /// # Errors
    /// [`HashingError::Overloaded`].
    pub async fn verify(
        &self,
        turn: &mut Turn,
        password: SecretString,
        candidate: Candidate,
        renew: bool,
    ) -> Result<Verification, HashingError> {
        let hashing = Arc::clone(&self.hashing);
        let verify = move || {
            let verification = hashing.verify(password.expose_secret(), &candidate, renew);
            let hashes = verification.hashes;
            (verification, hashes)
        };
        self.run(turn, verify).await
    }

    /// What a stored hash is called in reports. Nothing is computed.
    ///
    /// # Errors
    /// It could never be checked here, and why.
    pub fn kind_of(&self, stored: &str) -> Result<&'static str, Unusable> {
        self.hashing.kind_of(stored)
    }

    /// Whether a stored hash is like a new one: of the same kind and cost, and with the current pepper.
    #[must_use]
    pub fn makes_such(&self, stored: &str) -> bool {
        self.hashing.makes_such(stored)
    }

    /// Runs `work`, which also says how many hashes it made, in this turn. Only the first work of a turn is run.
    async fn run<T: Send + 'static>(
        &self,
        turn: &mut Turn,
        work: impl FnOnce() -> (T, u32) + Send + 'static,
    ) -> Result<T, HashingError> {
        let (Some(mut slot), hold) = (turn.slot.take(), Arc::clone(&turn.hold)) else {
            return Err(HashingError::Overloaded);
        };
        let (answer, answered) = oneshot::channel();
        self.threads.spawn_fifo(move || {
            // Nothing is hashed for a client that has gone.
            if !answer.is_closed() {
                let (result, hashes) = work();
                slot.hashes = hashes;
                let _ = answer.send(result);
            }
            drop((slot, hold));
        });
        answered.await.map_err(|_| HashingError::Overloaded)
    }
}

/// The lowest priority: a core that has anything else to do does that first. Where the system does not allow it, hashing
/// works all the same.
fn yield_to_everything_else() {
    if let Err(error) = ThreadPriority::Min.set_for_current() {
        log::debug!("hashing threads keep their priority: {error}");
    }
}
