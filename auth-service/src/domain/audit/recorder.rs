//! The door of the audit trail.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::runtime::Handle;
use tokio::sync::{RwLock, mpsc, oneshot};
use tokio::time::timeout;

use crate::domain::audit::context::AuditContext;
use crate::domain::audit::dropped::Dropped;
use crate::domain::audit::event::{Event, EventKind};
use crate::domain::audit::refusals::Refusals;
use crate::domain::audit::row::row_of;
use crate::domain::audit::rules::AuditRules;
use crate::domain::audit::writer::{Message, Writer};
use crate::domain::clock::DatabaseClock;
use crate::domain::keyring::{AuditKeys, KeyChange, Keyring};
use crate::store::engine::store::Store;

/// Records events for as long as the process runs. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Audit {
    queue: mpsc::Sender<Message>,
    dropped: Arc<Dropped>,
    clock: DatabaseClock,
    patience: Duration,
    /// Runs the work of [`run_to_completion`](Self::run_to_completion), also after the worker of its request has ended.
    runtime: Handle,
    /// The chain of this process, once it has begun.
    chain: Arc<ArcSwapOption<String>>,
    /// Read-locked by that work, write-locked before the chain ends.
    under_way: Arc<RwLock<()>>,
}

impl Audit {
    /// Starts the task that writes. The chain begins with the first event. Must be called on the runtime that ends last.
    #[must_use]
    pub fn start(store: Store, keys: AuditKeys, clock: DatabaseClock, rules: AuditRules) -> Self {
        let (queue, waiting) = mpsc::channel(rules.queue);
        let dropped = Arc::new(Dropped::new(Refusals::new(&rules.refusals)));
        let chain = Arc::default();
        let (shared, begun) = (Arc::clone(&dropped), Arc::clone(&chain));
        let runtime = Handle::current();
        runtime.spawn(Writer::new(store, keys, clock.clone(), rules, waiting, shared, begun).run());
        Self { queue, dropped, clock, patience: rules.patience, runtime, chain, under_way: Arc::default() }
    }

    /// Records an event: puts it into the queue. Only while that is full, because the database has been away for long, the
    /// caller waits, for a limited time. Then the event is logged and counted as lost.
    pub async fn record(&self, event: Event) {
        let now = self.clock.now();
        if !self.dropped.refusals.admit(&event, &AuditContext::current(), now) {
            return;
        }
        let row = row_of(event, now);
        let message = match self.queue.try_send(Message::Event(Box::new(row))) {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(message) | mpsc::error::TrySendError::Closed(message)) => {
                message
            }
        };
        let shown = format!("{message:?}");
        if !matches!(timeout(self.patience, self.queue.send(message)).await, Ok(Ok(()))) {
            self.dropped.lose_one();
            log::error!("the audit trail takes no events; this one is lost to it: {shown}");
        }
    }

    /// Records what was done about keys since the last call.
    pub async fn record_key_changes(&self, keyring: &Keyring) {
        for change in keyring.take_changes() {
            self.record(event_of(change)).await;
        }
    }

    /// Waits for the work that is under way, writes what is queued, and ends the chain. Later events are lost.
    pub async fn close(&self) {
        let _nothing_is_under_way = self.under_way.write().await;
        self.ask(Message::Close).await;
    }

    /// Returns the chain of this process; `None` before its first row is stored.
    #[must_use]
    pub fn chain(&self) -> Option<String> {
        self.chain.load().as_deref().cloned()
    }

    /// Begins the chain now: however the process ends, the trail then shows that it was there.
    pub async fn begin(&self) {
        // While the database is away it begins later.
        let _ = timeout(self.patience, self.ask(Message::Begin)).await;
    }

    /// Waits until what is queued is written.
    pub async fn flush(&self) {
        self.ask(Message::Flush).await;
    }

    /// Runs `work` to its end in the audit context of the caller, also when the caller is dropped: a client that closes the
    /// connection does not keep events out of the trail. [`close`](Self::close) waits for it. `None` when it panicked.
    pub(in crate::domain) async fn run_to_completion<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let under_way = Arc::clone(&self.under_way).read_owned().await;
        let work = async move {
            let _under_way = under_way;
            work.await
        };
        self.runtime.spawn(AuditContext::current().resume(work)).await.ok()
    }

    async fn ask(&self, message: impl FnOnce(oneshot::Sender<()>) -> Message) {
        let (answer, answered) = oneshot::channel();
        if self.queue.send(message(answer)).await.is_ok() {
            let _ = answered.await;
        }
    }
}

fn event_of(change: KeyChange) -> Event {
    match change {
        KeyChange::Made { kid, purpose, active_from, why } => Event::of(EventKind::KeyRotated)
            .with("kid", kid)
            .with("purpose", purpose)
            .with("active_from", active_from)
            .with("why", why),
        KeyChange::Resealed { count } => Event::of(EventKind::KeysResealed).with("count", count),
        KeyChange::Retired { kids } => Event::of(EventKind::KeyRetired).with("kids", kids),
    }
}
