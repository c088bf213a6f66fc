//! The audit trail: every security event in a table that is only ever added to, such that a row that was changed, left out,
//! put in or made again is found.
//!
//! Use cases call [`Issuer::record`], which puts the event into a queue and is done. One task of the process (`writer.rs`)
//! writes what is queued, a batch in one transaction, into a chain of its own: no process waits for another. Each row is
//! proven by a key that the database holds only sealed, together with the row before it; the head of the chain, which says
//! where it stands, is written along with each batch and proven as well. `verify` checks all of it, `pruning.rs` deletes
//! what is old and leaves the rest provable, `trail.rs` reads. Why it is so: docs/decisions/0011-audit.md.

mod batch;
mod chain;
mod entry;
mod event;
mod heads;
mod origin;
mod pruning;
mod refusals;
mod trail;
pub mod verify;
mod writer;

pub use entry::AuditEntry;
pub use event::{Event, EventKind, Reason};
pub use origin::Origin;
pub use refusals::RefusalRules;
pub use trail::{TrailPage, TrailQuery, cursor, parse_cursor};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{RwLock, mpsc, oneshot};
use tokio::time::timeout;

use crate::domain::audit::origin::SERVICE;
use crate::domain::audit::refusals::Refusals;
use crate::domain::audit::writer::{Message, Writer};
use crate::domain::clock::DatabaseClock;
use crate::domain::issuer::Issuer;
use crate::domain::keyring::{AuditKeys, KeyNews};
use crate::store::audit_events::AuditEvent;
use crate::store::engine::store::Store;

const SUCCESS: &str = "success";
const FAILURE: &str = "failure";

/// How the trail is written.
#[derive(Debug, Clone, Copy)]
pub struct AuditRules {
    /// Events that may wait to be written.
    pub queue: usize,
    /// How long a request waits for a place among them.
    pub patience: Duration,
    /// How long events are collected before they are written together.
    pub linger: Duration,
    /// How many are written together at the most.
    pub batch: usize,
    /// How often the log says where the chain stands, and the chain where the others do.
    pub anchor: Duration,
    /// How many refusals are stored.
    pub refusals: RefusalRules,
}

/// What is not stored, and is counted instead.
#[derive(Debug)]
struct Missed {
    lost: AtomicU64,
    refusals: Refusals,
}

/// Takes events, for as long as the process runs. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Audit {
    queue: mpsc::Sender<Message>,
    missed: Arc<Missed>,
    clock: DatabaseClock,
    patience: Duration,
    /// Where writes go on when the request that began them has gone, also with the worker that it came to.
    runtime: Handle,
    /// The chain that is written, once it has begun.
    chain: Arc<ArcSwapOption<String>>,
    /// Held for reading by each of these writes, and for writing before the chain ends.
    under_way: Arc<RwLock<()>>,
}

impl Audit {
    /// Starts the task that writes. The chain begins with the first event. To be called on the runtime that ends last.
    #[must_use]
    pub fn start(store: Store, keys: AuditKeys, clock: DatabaseClock, rules: AuditRules) -> Self {
        let (queue, waiting) = mpsc::channel(rules.queue);
        let missed = Arc::new(Missed { lost: AtomicU64::new(0), refusals: Refusals::new(&rules.refusals) });
        let chain = Arc::default();
        let writer =
            Writer::new(store, keys, clock.clone(), rules, waiting, Arc::clone(&missed), Arc::clone(&chain));
        let runtime = Handle::current();
        runtime.spawn(writer.run());
        let under_way = Arc::default();
        Self { queue, missed, clock, patience: rules.patience, runtime, chain, under_way }
    }

    /// The chain that this process writes; `None` before its first row is stored.
    #[must_use]
    pub fn chain(&self) -> Option<String> {
        self.chain.load().as_deref().cloned()
    }

    /// Begins the chain now, whether anything happens or not: however a process ends, it is then known that it was there.
    pub async fn begin(&self) {
        // With the database away it begins later.
        let _ = timeout(self.patience, self.ask(Message::Begin)).await;
    }

    /// Puts an event into the queue. Only when that is full, because the database has been away for long, the caller waits,
    /// and not for ever: the event is then in the log, and counted.
    pub async fn record(&self, event: Event) {
        let now = self.clock.now();
        if !self.missed.refusals.admit(&event, &Origin::current(), now) {
            return;
        }
        let row = row_of(event, now);
        let full = match self.queue.try_send(Message::Event(Box::new(row))) {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(message) | mpsc::error::TrySendError::Closed(message)) => {
                message
            }
        };
        let told = format!("{full:?}");
        if !matches!(timeout(self.patience, self.queue.send(full)).await, Ok(Ok(()))) {
            self.missed.lost.fetch_add(1, Ordering::Relaxed);
            log::error!("the audit trail takes no events; this one is lost to it: {told}");
        }
    }

    /// Waits until what is queued is written.
    pub async fn flush(&self) {
        self.ask(Message::Flush).await;
    }

    /// Waits for the writes that are under way, writes what is queued, and ends the chain. Events that come after it are
    /// lost.
    pub async fn close(&self) {
        let _nothing_is_under_way = self.under_way.write().await;
        self.ask(Message::Close).await;
    }

    /// Runs `work` to its end, with the audit context of the caller, also when the caller is gone meanwhile: no client gets
    /// around the trail by hanging up. [`close`](Self::close) waits for it. `None` when it panicked.
    pub(in crate::domain) async fn see_through<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let under_way = Arc::clone(&self.under_way).read_owned().await;
        let work = async move {
            let _under_way = under_way;
            work.await
        };
        self.runtime.spawn(Origin::current().resume(work)).await.ok()
    }

    async fn ask(&self, message: impl FnOnce(oneshot::Sender<()>) -> Message) {
        let (told, done) = oneshot::channel();
        if self.queue.send(message(told)).await.is_ok() {
            let _ = done.await;
        }
    }
}

/// An event as a row, but for its place in the chain.
fn row_of(event: Event, now: i64) -> AuditEvent {
    let Event { kind, reason, subject, session, details, .. } = event;
    let origin = Origin::current();
    AuditEvent {
        occurred_at: now,
        event: kind.as_str().to_owned(),
        outcome: if reason.is_some() { FAILURE } else { SUCCESS }.to_owned(),
        reason: reason.map(|reason| reason.as_str().to_owned()),
        actor: origin.actor(),
        subject,
        session,
        address: origin.address.clone(),
        request_id: origin.request_id.clone(),
        details: (!details.is_empty()).then(|| Value::Object(details).to_string()),
        ..AuditEvent::default()
    }
}

impl Issuer {
    /// Puts an event into the audit trail.
    pub async fn record(&self, event: Event) {
        self.audit.record(event).await;
    }

    /// Records what was done about keys.
    pub async fn record_key_news(&self) {
        for news in self.keyring.take_news() {
            self.record(event_of(news)).await;
        }
    }
}

fn event_of(news: KeyNews) -> Event {
    match news {
        KeyNews::Made { kid, purpose, active_from, why } => Event::of(EventKind::KeyRotated)
            .with("kid", kid)
            .with("purpose", purpose)
            .with("active_from", active_from)
            .with("why", why),
        KeyNews::Resealed { count } => Event::of(EventKind::KeysResealed).with("count", count),
        KeyNews::Retired { kids } => Event::of(EventKind::KeyRetired).with("kids", kids),
    }
}
