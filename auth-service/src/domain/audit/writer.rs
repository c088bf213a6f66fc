//! Background task that writes the chain of this process. It is the only one that does.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::domain::audit::batch::{Appended, Batch};
use crate::domain::audit::checkpoints;
use crate::domain::audit::checkpoints::Checkpoints;
use crate::domain::audit::dropped::Dropped;
use crate::domain::audit::event::{Event, EventKind};
use crate::domain::audit::heads::ChainHead;
use crate::domain::audit::row::row_of;
use crate::domain::audit::rules::AuditRules;
use crate::domain::clock::DatabaseClock;
use crate::domain::keyring::AuditKeys;
use crate::domain::random;
use crate::store::audit_events::AuditEvent;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;

/// The time between two attempts while the database is away.
const RETRY: Duration = Duration::from_millis(250);
/// Fewer processes than this begin at the same moment. More lost races are logged.
const RACES: u32 = 20;

/// A message to the writer.
#[derive(Debug)]
pub(super) enum Message {
    /// Begin the chain, then answer.
    Begin(oneshot::Sender<()>),
    /// Write a row, which has no place in the chain yet.
    Event(Box<AuditEvent>),
    /// Write everything that came before, then answer.
    Flush(oneshot::Sender<()>),
    /// The same, and end the chain with it.
    Close(oneshot::Sender<()>),
}

pub(super) struct Writer {
    store: Store,
    keys: AuditKeys,
    clock: DatabaseClock,
    rules: AuditRules,
    waiting: mpsc::Receiver<Message>,
    dropped: Arc<Dropped>,
    /// Shares the name of the chain with [`Audit`](crate::domain::audit::Audit).
    begun: Arc<ArcSwapOption<String>>,
    /// The head of the chain; `None` before it begins.
    head: Option<ChainHead>,
    /// When a checkpoint of it was last logged.
    logged: Option<Instant>,
    /// The checkpoints of other chains that were written.
    checkpoints: Checkpoints,
    /// When other heads were last read.
    heads_read: Instant,
    /// When the counts of dropped refusals were last written.
    refusals_written: Instant,
}

/// Messages that came within one flush interval.
#[derive(Default)]
struct Gathered {
    rows: Vec<AuditEvent>,
    /// Whether the chain begins even without rows.
    begin: bool,
    /// Answered when the rows are written.
    answer: Option<oneshot::Sender<()>>,
    close: bool,
}

impl Writer {
    pub(super) fn new(
        store: Store,
        keys: AuditKeys,
        clock: DatabaseClock,
        rules: AuditRules,
        waiting: mpsc::Receiver<Message>,
        dropped: Arc<Dropped>,
        begun: Arc<ArcSwapOption<String>>,
    ) -> Self {
        Self {
            store,
            keys,
            clock,
            rules,
            waiting,
            dropped,
            begun,
            head: None,
            logged: None,
            checkpoints: Checkpoints::default(),
            heads_read: Instant::now(),
            refusals_written: Instant::now(),
        }
    }

    /// Runs until [`Message::Close`], or until every sender is gone.
    pub(super) async fn run(mut self) {
        loop {
            let first = match timeout(self.rest(), self.waiting.recv()).await {
                Ok(Some(first)) => first,
                Ok(None) => break,
                Err(_) => {
                    self.do_what_is_due().await;
                    continue;
                }
            };
            let Gathered { rows, begin, answer, close } = self.gather(first).await;
            if close {
                self.write_refusals().await;
            }
            if begin || close || !rows.is_empty() {
                self.append(rows, close).await;
            }
            if let Some(answer) = answer {
                let _ = answer.send(());
            }
            if close {
                return;
            }
            // Under constant load the timeout above never passes.
            self.do_what_is_due().await;
        }
        self.write_refusals().await;
        self.append(Vec::new(), true).await;
    }

    /// How long the task may wait for a message.
    fn rest(&self) -> Duration {
        let checkpoints = self.rules.checkpoint_interval.saturating_sub(self.heads_read.elapsed());
        checkpoints.min(self.rules.refusals.interval.saturating_sub(self.refusals_written.elapsed()))
    }

    async fn do_what_is_due(&mut self) {
        if self.refusals_written.elapsed() >= self.rules.refusals.interval {
            self.write_refusals().await;
        }
        if self.heads_read.elapsed() >= self.rules.checkpoint_interval {
            self.write_checkpoints().await;
        }
    }

    /// Writes the counts of refusals that were dropped since the last call.
    async fn write_refusals(&mut self) {
        self.refusals_written = Instant::now();
        let mut rows = self.dropped.refusals.take(self.clock.now());
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(self.rules.batch_size));
            self.append(rows, false).await;
            rows = rest;
        }
    }

    /// Writes checkpoints of the other chains that have grown: rows that are cut off of them later are then missed.
    async fn write_checkpoints(&mut self) {
        self.heads_read = Instant::now();
        let Some(own) = self.head.as_ref().map(|head| head.chain.clone()) else { return };
        match self.due_checkpoints().await {
            Ok(mut due) => {
                due.retain(|head| head.chain != own);
                let parts = checkpoints::parts(&due);
                let rows: Vec<_> = checkpoints::events(parts).map(|event| self.row(event)).collect();
                if !rows.is_empty() {
                    self.append(rows, false).await;
                }
            }
            Err(error) => log::debug!("the heads of the other audit chains could not be read: {error}"),
        }
    }

    /// Reads the heads of the chains that have grown since their last checkpoint.
    async fn due_checkpoints(&mut self) -> Result<Vec<ChainHead>, StoreError> {
        let (checkpoints, keys) = (self.checkpoints.clone(), self.keys.clone());
        let (checkpoints, due) = self.store.read(move |db| checkpoints.due(db, &keys)).await?;
        self.checkpoints = checkpoints;
        Ok(due)
    }

    /// Collects messages for one flush interval, up to the batch size.
    async fn gather(&mut self, first: Message) -> Gathered {
        let (mut gathered, mut next) = (Gathered::default(), Some(first));
        let until = Instant::now() + self.rules.flush_interval;
        while let Some(message) = next {
            match message {
                Message::Begin(answer) => return Gathered { answer: Some(answer), begin: true, ..gathered },
                Message::Event(row) => gathered.rows.push(*row),
                Message::Flush(answer) => return Gathered { answer: Some(answer), ..gathered },
                Message::Close(answer) => return Gathered { answer: Some(answer), close: true, ..gathered },
            }
            if gathered.rows.len() >= self.rules.batch_size {
                break;
            }
            next = timeout_at(until, self.waiting.recv()).await.ok().flatten();
        }
        gathered
    }

    /// Appends rows to the chain, however long that takes.
    async fn append(&mut self, mut rows: Vec<AuditEvent>, closing: bool) {
        self.report_dropped(&mut rows);
        if self.head.is_none() && rows.is_empty() && closing {
            return;
        }
        if closing {
            rows.push(self.row(Event::of(EventKind::ProcessStopped)));
        }
        let (mut complained, mut races) = (false, 0);
        loop {
            let head = match self.head.clone() {
                Some(head) => head,
                None => self.begin(&mut rows).await,
            };
            let batch =
                Batch { head: head.clone(), rows, keys: self.keys.clone(), closing, now: self.clock.now() };
            let batch = Arc::new(batch);
            let attempt = Arc::clone(&batch);
            let outcome = self.store.write(move |db| attempt.append(db)).await;
            rows = Arc::unwrap_or_clone(batch).rows;
            match outcome {
                Ok(Appended::At(head)) => return self.appended(head, closing),
                Ok(Appended::Pruned) => self.head = None,
                Ok(Appended::Disturbed) => self.abandon(&head, &mut rows),
                // Another program has written a row with the position of ours.
                Err(StoreError::Conflict(_)) if head.number != 0 => self.abandon(&head, &mut rows),
                Err(error) => {
                    // Of several processes that begin their chains at the same moment, one gets the number.
                    let race = matches!(error, StoreError::Conflict(_));
                    if !complained && !race && !error.is_reported() {
                        log::warn!("{} audit events wait for the database: {error}", rows.len());
                    }
                    complained |= !race;
                    races += u32::from(race);
                    if races == RACES {
                        log::warn!(
                            "other processes took the number of a new audit chain {races} times; trying again"
                        );
                    }
                    self.head = Some(head);
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Abandons a chain that another program wrote to, as evidence. The next chain has an event about it.
    fn abandon(&mut self, head: &ChainHead, rows: &mut Vec<AuditEvent>) {
        log::error!("another program wrote to the audit chain; its last checkpoint is {}", head.checkpoint());
        let disturbed = Event::of(EventKind::AuditDisturbed).with("stood", head.checkpoint());
        rows.insert(0, self.row(disturbed));
        self.head = None;
    }

    /// Begins a chain. Its first rows say so, and have checkpoints of the others.
    async fn begin(&mut self, rows: &mut Vec<AuditEvent>) -> ChainHead {
        let due = self.all_checkpoints().await;
        self.heads_read = Instant::now();
        let mut started = Event::of(EventKind::ProcessStarted).with("version", env!("CARGO_PKG_VERSION"));
        let mut parts = checkpoints::parts(&due);
        if let Some(part) = parts.next() {
            started = started.with("heads", part);
        }
        let first = iter::once(started).chain(checkpoints::events(parts)).map(|event| self.row(event));
        rows.splice(0..0, first.collect::<Vec<_>>());
        ChainHead { chain: random::id(), number: 0, position: 0, mac: String::new() }
    }

    /// Reads the heads that the first rows of a chain have checkpoints of, however long that takes.
    async fn all_checkpoints(&mut self) -> Vec<ChainHead> {
        self.checkpoints = Checkpoints::default();
        let mut complained = false;
        loop {
            match self.due_checkpoints().await {
                Ok(due) => return due,
                Err(error) if !complained && !error.is_reported() => {
                    log::warn!("the audit trail waits for the database: {error}");
                }
                Err(_) => {}
            }
            complained = true;
            sleep(RETRY).await;
        }
    }

    /// Adds a row with the number of lost events, if there are any.
    fn report_dropped(&self, rows: &mut Vec<AuditEvent>) {
        let count = self.dropped.take_lost();
        if count > 0 {
            rows.push(self.row(Event::of(EventKind::EventsLost).with("count", count)));
        }
    }

    fn row(&self, event: Event) -> AuditEvent {
        row_of(event, self.clock.now())
    }

    /// Takes over the new head. Logs a checkpoint at intervals: an operator who keeps the log elsewhere can prove later that no
    /// rows were cut off.
    fn appended(&mut self, head: ChainHead, closing: bool) {
        if closing || self.logged.is_none_or(|at| at.elapsed() >= self.rules.checkpoint_interval) {
            log::info!("the audit trail stands at {}", head.checkpoint());
            self.logged = Some(Instant::now());
        }
        if self.begun.load().as_deref() != Some(&head.chain) {
            self.begun.store(Some(Arc::new(head.chain.clone())));
        }
        self.head = Some(head);
    }
}
