//! The line before the hashing threads: the queue, and the channels by which turns are given.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::domain::authn::passwords::hashing_error::HashingError;
use crate::domain::authn::passwords::queue::{Arrival, Queue, QueueLimits};

/// Requests that wait for a hashing thread.
#[derive(Debug)]
pub(super) struct Line(Mutex<Queue<oneshot::Sender<Turn>>>);

/// The right to make one hash. Dropped unused, it goes to the next request.
#[derive(Debug)]
pub struct Turn {
    pub(super) slot: Option<Slot>,
    pub(super) hold: Arc<Hold>,
}

/// A hashing thread's time.
#[derive(Debug)]
pub(super) struct Slot {
    line: Arc<Line>,
    ticket: u64,
    /// How many hashes were made in it.
    pub(super) hashes: u32,
}

/// Keeps others for the same identifier from the same source waiting until this one is decided.
#[derive(Debug)]
pub(super) struct Hold {
    line: Arc<Line>,
    ticket: u64,
}

/// A place in the line, which is left when the request is dropped.
struct Place<'a> {
    line: &'a Arc<Line>,
    ticket: u64,
}

impl Line {
    pub(super) fn new(limits: QueueLimits) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Queue::new(limits))))
    }

    /// Whether there may be one more for this identifier from this source.
    pub(super) fn admits(&self, arrival: &Arrival) -> bool {
        self.queue().admits(arrival)
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`HashingError::Overloaded`]: there is no place, or the turn did not come in time.
    pub(super) async fn turn(
        self: &Arc<Self>,
        arrival: Arrival,
        patience: Duration,
    ) -> Result<Turn, HashingError> {
        let (turn, mut granted) = oneshot::channel();
        let ticket = self.queue().enter(arrival, turn).ok_or(HashingError::Overloaded)?;
        // Declared after the receiver, so dropped before it: no turn is given to a request that is gone.
        let _place = Place { line: self, ticket };
        self.settle();
        let granted = timeout(patience, &mut granted).await;
        granted.ok().and_then(Result::ok).ok_or(HashingError::Overloaded)
    }

    /// Gives the turns that are free, and refuses requests for which there is no place.
    fn settle(self: &Arc<Self>) {
        let (granted, refused) = {
            let mut queue = self.queue();
            let granted: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
            let refused: Vec<_> = std::iter::from_fn(|| queue.overflow()).collect();
            (granted, refused)
        };
        drop(refused); // closes their channels
        for (ticket, sender) in granted {
            let line = Arc::clone(self);
            let hold = Hold { line: Arc::clone(self), ticket }.into();
            // A request that went at this moment drops its turn, which returns it.
            drop(sender.send(Turn { slot: Some(Slot { line, ticket, hashes: 1 }), hold }));
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue<oneshot::Sender<Turn>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.line.queue().leave(self.ticket);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.line.queue().finish(self.ticket, self.hashes);
        self.line.settle();
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.line.queue().release(self.ticket);
        self.line.settle();
    }
}
