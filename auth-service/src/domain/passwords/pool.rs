//! The threads that hash passwords, and nothing else: a flood of logins slows logins, and no other request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use thread_priority::ThreadPriority;
use tokio::sync::{Semaphore, oneshot};

use super::hashing::{Against, Hashing, Verdict};
use super::stored::Unusable;

/// Why there is no answer about a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    /// The queue is full, or the deadline has passed.
    #[error("too many passwords wait to be hashed")]
    Overloaded,
    /// The configured scheme cannot take this password.
    #[error("this password cannot be hashed")]
    Impossible,
}

/// How much hashing is accepted.
#[derive(Debug, Clone, Copy)]
pub struct HashingLimits {
    /// Threads; 0 for as many as there are cores.
    pub threads: usize,
    /// Jobs that may wait for a thread.
    pub queue: usize,
    /// How long a job may wait.
    pub deadline: Duration,
}

/// Hashes and verifies passwords on threads of its own.
#[derive(Debug)]
pub struct Hasher {
    threads: ThreadPool,
    places: Arc<Semaphore>,
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
            .start_handler(|_| yield_to_everything_else())
            .build()?;
        let places = limits.queue + threads.current_num_threads();
        Ok(Self {
            threads,
            places: Semaphore::new(places).into(),
            deadline: limits.deadline,
            hashing: hashing.into(),
        })
    }

    /// Whether a password that comes now would be refused. It may be otherwise a moment later: this only spares work.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.places.available_permits() == 0
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// [`HashingError`].
    pub async fn hash(&self, password: SecretString) -> Result<String, HashingError> {
        let hashing = Arc::clone(&self.hashing);
        self.run(move || hashing.hash(password.expose_secret())).await?.ok_or(HashingError::Impossible)
    }

    /// Whether `password` is right; with `renew`, what to store instead of an outdated hash as well.
    ///
    /// # Errors
    /// [`HashingError::Overloaded`].
    pub async fn verify(
        &self,
        password: SecretString,
        against: Against,
        renew: bool,
    ) -> Result<Verdict, HashingError> {
        let hashing = Arc::clone(&self.hashing);
        self.run(move || hashing.verify(password.expose_secret(), &against, renew)).await
    }

    /// What a stored hash is called in reports. Nothing is computed.
    ///
    /// # Errors
    /// It could never be checked here, and why.
    pub fn kind_of(&self, stored: &str) -> Result<&'static str, Unusable> {
        self.hashing.kind_of(stored)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashingError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| HashingError::Overloaded)?;
        let (answer, answered) = oneshot::channel();
        let latest_start = Instant::now() + self.deadline;
        self.threads.spawn_fifo(move || {
            // Nothing is hashed for a client that has gone, or that was told to come again.
            if !answer.is_closed() && Instant::now() < latest_start {
                let _ = answer.send(work());
            }
            drop(place);
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
