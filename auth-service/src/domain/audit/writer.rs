//! The one task of a process that writes its chain.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};

use super::chain::{head_is_genuine, row_mac, sign};
use super::{AuditRules, Event, EventKind, Missed, row_of};
use crate::domain::keyring::AuditKeys;
use crate::domain::{DatabaseClock, random};
use crate::store::audit_events::{self, AuditEvent};
use crate::store::audit_heads::{self, AuditHead};
use crate::store::{Connection, Store, StoreError};

/// Between two tries while the database is away.
const RETRY: Duration = Duration::from_millis(250);

/// What a process tells its writer.
#[derive(Debug)]
pub(super) enum Message {
    /// Begin the chain, and say so.
    Begin(oneshot::Sender<()>),
    /// A row but for its place.
    Event(Box<AuditEvent>),
    /// Write everything that came before, and say so.
    Flush(oneshot::Sender<()>),
    /// The same, and end the chain.
    Close(oneshot::Sender<()>),
}

pub(super) struct Writer {
    store: Store,
    keys: AuditKeys,
    clock: DatabaseClock,
    rules: AuditRules,
    waiting: mpsc::Receiver<Message>,
    missed: Arc<Missed>,
    /// Where our chain stands, as far as we know; `None` before it begins.
    chain: Option<Stand>,
    /// When the log last said where it stands.
    anchored: Option<Instant>,
}

/// Where a chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stand {
    chain: String,
    /// 0 until its head is stored.
    number: i64,
    position: i64,
    mac: String,
}

impl Stand {
    fn anchor(&self) -> String {
        format!("{}:{}:{}", self.chain, self.position, self.mac)
    }
}

/// What came within a short while.
#[derive(Default)]
struct Gathered {
    rows: Vec<AuditEvent>,
    /// The chain is to begin, whether there are rows or not.
    begin: bool,
    /// Who waits until it is written.
    told: Option<oneshot::Sender<()>>,
    close: bool,
}

/// What became of a batch.
enum Appended {
    /// It is in the database, and the chain stands here.
    At(Stand),
    /// The head is not as we left it. Nothing was written.
    Disturbed,
    /// The chain was deleted because its time was over. Nothing was written.
    Pruned,
}

impl Writer {
    pub(super) fn new(
        store: Store,
        keys: AuditKeys,
        clock: DatabaseClock,
        rules: AuditRules,
        waiting: mpsc::Receiver<Message>,
        missed: Arc<Missed>,
    ) -> Self {
        Self { store, keys, clock, rules, waiting, missed, chain: None, anchored: None }
    }

    /// Writes until it is told to close, or nobody is left who could tell it anything.
    pub(super) async fn run(mut self) {
        while let Some(first) = self.waiting.recv().await {
            let Gathered { rows, begin, told, close } = self.gather(first).await;
            if begin || close || !rows.is_empty() {
                self.append(rows, close).await;
            }
            if let Some(told) = told {
                let _ = told.send(());
            }
            if close {
                return;
            }
        }
        self.append(Vec::new(), true).await;
    }

    /// What comes within a short while is written together.
    async fn gather(&mut self, first: Message) -> Gathered {
        let (mut gathered, mut next) = (Gathered::default(), Some(first));
        let until = Instant::now() + self.rules.linger;
        while let Some(message) = next {
            match message {
                Message::Begin(told) => return Gathered { told: Some(told), begin: true, ..gathered },
                Message::Event(row) => gathered.rows.push(*row),
                Message::Flush(told) => return Gathered { told: Some(told), ..gathered },
                Message::Close(told) => return Gathered { told: Some(told), close: true, ..gathered },
            }
            if gathered.rows.len() >= self.rules.batch {
                break;
            }
            next = timeout_at(until, self.waiting.recv()).await.ok().flatten();
        }
        gathered
    }

    /// Writes rows behind the chain's last one, however long that takes.
    async fn append(&mut self, mut rows: Vec<AuditEvent>, closing: bool) {
        self.own_up(&mut rows);
        if self.chain.is_none() && rows.is_empty() && closing {
            return;
        }
        if closing {
            rows.push(self.row(Event::of(EventKind::ProcessStopped)));
        }
        let mut complained = false;
        loop {
            let stand = self.chain.clone().unwrap_or_else(|| self.begin(&mut rows));
            let batch =
                Batch { stand: stand.clone(), rows, keys: self.keys.clone(), closing, now: self.clock.now() };
            let batch = Arc::new(batch);
            let attempt = Arc::clone(&batch);
            let outcome = self.store.write(move |db| attempt.append(db)).await;
            rows = Arc::unwrap_or_clone(batch).rows;
            match outcome {
                Ok(Appended::At(stand)) => return self.stands_at(stand, closing),
                Ok(Appended::Pruned) => self.chain = None,
                Ok(Appended::Disturbed) => self.give_up(&stand, &mut rows),
                // Somebody put a row where ours belongs.
                Err(StoreError::Conflict(_)) if stand.number != 0 => self.give_up(&stand, &mut rows),
                Err(error) => {
                    // Of processes that begin their chains at the same moment, one gets the number.
                    let race = matches!(error, StoreError::Conflict(_));
                    if !complained && !race {
                        log::warn!("{} audit events wait for the database: {error}", rows.len());
                    }
                    complained |= !race;
                    self.chain = Some(stand);
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Leaves a chain that somebody else wrote to, as evidence; the next one says so.
    fn give_up(&mut self, stand: &Stand, rows: &mut Vec<AuditEvent>) {
        log::error!("somebody else wrote to the audit chain that stood at {}", stand.anchor());
        let disturbed = Event::of(EventKind::AuditDisturbed).with("stood", stand.anchor());
        rows.insert(0, self.row(disturbed));
        self.chain = None;
    }

    /// A chain with a name of its own, whose first row says so.
    fn begin(&self, rows: &mut Vec<AuditEvent>) -> Stand {
        let started = Event::of(EventKind::ProcessStarted).with("version", env!("CARGO_PKG_VERSION"));
        rows.insert(0, self.row(started));
        Stand { chain: random::id(), number: 0, position: 0, mac: String::new() }
    }

    /// Says how many events are missing.
    fn own_up(&self, rows: &mut Vec<AuditEvent>) {
        for (missed, kind) in
            [(&self.missed.lost, EventKind::EventsLost), (&self.missed.omitted, EventKind::RefusalsOmitted)]
        {
            let count = missed.swap(0, Ordering::Relaxed);
            if count > 0 {
                rows.push(self.row(Event::of(kind).with("count", count)));
            }
        }
    }

    fn row(&self, event: Event) -> AuditEvent {
        row_of(event, self.clock.now())
    }

    /// Says it in the log now and then: an operator who keeps the log elsewhere can prove later that nothing was undone.
    fn stands_at(&mut self, stand: Stand, closing: bool) {
        if closing || self.anchored.is_none_or(|at| at.elapsed() >= self.rules.anchor) {
            log::info!("the audit trail stands at {}", stand.anchor());
            self.anchored = Some(Instant::now());
        }
        self.chain = Some(stand);
    }
}

/// Rows that are written together.
#[derive(Clone)]
struct Batch {
    /// Where the chain stood before.
    stand: Stand,
    rows: Vec<AuditEvent>,
    keys: AuditKeys,
    closing: bool,
    /// Unix seconds.
    now: i64,
}

impl Batch {
    /// May run twice, also at the same time, when nobody knows how the first run ended: one of them appends.
    fn append(&self, db: &mut Connection) -> Result<Appended, StoreError> {
        let head = match audit_heads::hold(db, &self.stand.chain)? {
            None if self.stand.number == 0 => return self.open(db),
            None => return self.where_is_it(db),
            Some(head) => head,
        };
        if !head_is_genuine(&self.keys, &head) {
            return Ok(Appended::Disturbed);
        }
        if head.position == self.stand.position.saturating_add_unsigned(self.rows.len() as u64) {
            return Ok(Appended::At(stand_of(&head))); // an earlier run has done it
        }
        if (head.position, &head.mac) != (self.stand.position, &self.stand.mac) {
            return Ok(Appended::Disturbed);
        }
        self.link(db, head, None)
    }

    fn open(&self, db: &mut Connection) -> Result<Appended, StoreError> {
        let before = audit_heads::newest(db)?;
        let previous = before.as_ref().map(|head| stand_of(head).anchor());
        let number = before.map_or(0, |head| head.number).saturating_add(1);
        let mut head = AuditHead {
            chain: self.stand.chain.clone(),
            number,
            kid: String::new(),
            position: 0,
            mac: String::new(),
            first_position: 1,
            first_mac: String::new(),
            newest: number,
            front: false,
            started_at: self.now,
            closed_at: None,
            signature: String::new(),
        };
        sign(self.keys.newest(), &mut head);
        audit_heads::insert(db, &head)?;
        self.link(db, head, previous)
    }

    /// Gives each row its place and its proof, behind where the head stands.
    fn link(
        &self,
        db: &mut Connection,
        mut head: AuditHead,
        previous: Option<String>,
    ) -> Result<Appended, StoreError> {
        // A chain keeps the key that it began with.
        let Some(key) = self.keys.find(&head.kid).cloned() else { return Ok(Appended::Disturbed) };
        let mut rows = self.rows.clone();
        if let (Some(first), Some(previous)) = (rows.first_mut(), previous) {
            let started = serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "previous": previous });
            first.details = Some(started.to_string());
        }
        for row in &mut rows {
            head.position += 1;
            head.chain.clone_into(&mut row.chain);
            row.position = head.position;
            row.mac = row_mac(&key, &head.mac, row);
            row.mac.clone_into(&mut head.mac);
        }
        audit_events::insert(db, &rows)?;
        head.newest = audit_heads::newest(db)?.map_or(head.number, |newest| newest.number);
        head.closed_at = self.closing.then_some(self.now);
        sign(&key, &mut head);
        audit_heads::put(db, &head)?;
        Ok(Appended::At(stand_of(&head)))
    }

    /// A process that did nothing for longer than rows are kept finds its chain gone, and rightly.
    fn where_is_it(&self, db: &mut Connection) -> Result<Appended, StoreError> {
        let oldest = audit_heads::behind(db, 0, 1)?;
        let pruned = oldest.first().is_some_and(|head| {
            head.front && head.number > self.stand.number && head_is_genuine(&self.keys, head)
        });
        Ok(if pruned { Appended::Pruned } else { Appended::Disturbed })
    }
}

fn stand_of(head: &AuditHead) -> Stand {
    Stand { chain: head.chain.clone(), number: head.number, position: head.position, mac: head.mac.clone() }
}
