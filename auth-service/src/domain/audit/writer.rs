//! The one task of a process that writes its chain.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::domain::audit::batch::{Appended, Batch};
use crate::domain::audit::heads;
use crate::domain::audit::heads::{Stand, Told};
use crate::domain::audit::{AuditRules, Event, EventKind, Missed, row_of};
use crate::domain::clock::DatabaseClock;
use crate::domain::keyring::AuditKeys;
use crate::domain::random;
use crate::store::audit_events::AuditEvent;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;

/// Between two tries while the database is away.
const RETRY: Duration = Duration::from_millis(250);
/// So many processes do not begin at the same moment: whoever loses more races says so.
const RACES: u32 = 20;

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
    /// The chain, for others to know.
    begun: Arc<ArcSwapOption<String>>,
    /// Where our chain stands, as far as we know; `None` before it begins.
    chain: Option<Stand>,
    /// When the log last said where it stands.
    anchored: Option<Instant>,
    /// Where the other chains stood when it was last told.
    told: Told,
    /// When that was.
    looked: Instant,
    /// When it was last told how many refusals were left out.
    counted: Instant,
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

impl Writer {
    pub(super) fn new(
        store: Store,
        keys: AuditKeys,
        clock: DatabaseClock,
        rules: AuditRules,
        waiting: mpsc::Receiver<Message>,
        missed: Arc<Missed>,
        begun: Arc<ArcSwapOption<String>>,
    ) -> Self {
        Self {
            store,
            keys,
            clock,
            rules,
            waiting,
            missed,
            begun,
            chain: None,
            anchored: None,
            told: Told::default(),
            looked: Instant::now(),
            counted: Instant::now(),
        }
    }

    /// Writes until it is told to close, or nobody is left who could tell it anything.
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
            let Gathered { rows, begin, told, close } = self.gather(first).await;
            if close {
                self.tell_of_refusals().await;
            }
            if begin || close || !rows.is_empty() {
                self.append(rows, close).await;
            }
            if let Some(told) = told {
                let _ = told.send(());
            }
            if close {
                return;
            }
            // With events at every moment nobody ever waits for one.
            self.do_what_is_due().await;
        }
        self.tell_of_refusals().await;
        self.append(Vec::new(), true).await;
    }

    /// How long there is nothing to do unless something happens.
    fn rest(&self) -> Duration {
        let look = self.rules.anchor.saturating_sub(self.looked.elapsed());
        look.min(self.rules.refusals.interval.saturating_sub(self.counted.elapsed()))
    }

    async fn do_what_is_due(&mut self) {
        if self.counted.elapsed() >= self.rules.refusals.interval {
            self.tell_of_refusals().await;
        }
        if self.looked.elapsed() >= self.rules.anchor {
            self.tell_of_others().await;
        }
    }

    /// Writes what refusals were left out since the last time.
    async fn tell_of_refusals(&mut self) {
        self.counted = Instant::now();
        let mut rows = self.missed.refusals.take(self.clock.now());
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(self.rules.batch));
            self.append(rows, false).await;
            rows = rest;
        }
    }

    /// Writes where the other chains stand, if they have moved: what is cut off of them later is missed then.
    async fn tell_of_others(&mut self) {
        self.looked = Instant::now();
        let Some(own) = self.chain.as_ref().map(|stand| stand.chain.clone()) else { return };
        match self.look().await {
            Ok(mut moved) => {
                moved.retain(|stand| stand.chain != own);
                let rows: Vec<_> = heads::seen(heads::parts(&moved)).map(|event| self.row(event)).collect();
                if !rows.is_empty() {
                    self.append(rows, false).await;
                }
            }
            Err(error) => log::debug!("no look at the other audit chains: {error}"),
        }
    }

    /// Which chains have moved.
    async fn look(&mut self) -> Result<Vec<Stand>, StoreError> {
        let (told, keys) = (self.told.clone(), self.keys.clone());
        let (told, moved) = self.store.read(move |db| told.look(db, &keys)).await?;
        self.told = told;
        Ok(moved)
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
        let (mut complained, mut races) = (false, 0);
        loop {
            let stand = match self.chain.clone() {
                Some(stand) => stand,
                None => self.begin(&mut rows).await,
            };
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
                    if !complained && !race && !error.is_reported() {
                        log::warn!("{} audit events wait for the database: {error}", rows.len());
                    }
                    complained |= !race;
                    races += u32::from(race);
                    if races == RACES {
                        log::warn!("others took the number of a new audit chain {races} times; trying on");
                    }
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
    async fn begin(&mut self, rows: &mut Vec<AuditEvent>) -> Stand {
        let moved = self.look_at_all().await;
        self.looked = Instant::now();
        let mut started = Event::of(EventKind::ProcessStarted).with("version", env!("CARGO_PKG_VERSION"));
        let mut parts = heads::parts(&moved);
        if let Some(part) = parts.next() {
            started = started.with("heads", part);
        }
        let first = iter::once(started).chain(heads::seen(parts)).map(|event| self.row(event));
        rows.splice(0..0, first.collect::<Vec<_>>());
        Stand { chain: random::id(), number: 0, position: 0, mac: String::new() }
    }

    /// However long that takes: a chain does not begin without it.
    async fn look_at_all(&mut self) -> Vec<Stand> {
        self.told = Told::default();
        let mut complained = false;
        loop {
            match self.look().await {
                Ok(moved) => return moved,
                Err(error) if !complained && !error.is_reported() => {
                    log::warn!("the audit trail waits for the database: {error}");
                }
                Err(_) => {}
            }
            complained = true;
            sleep(RETRY).await;
        }
    }

    /// Says how many events are missing.
    fn own_up(&self, rows: &mut Vec<AuditEvent>) {
        let count = self.missed.lost.swap(0, Ordering::Relaxed);
        if count > 0 {
            rows.push(self.row(Event::of(EventKind::EventsLost).with("count", count)));
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
        if self.begun.load().as_deref() != Some(&stand.chain) {
            self.begun.store(Some(Arc::new(stand.chain.clone())));
        }
        self.chain = Some(stand);
    }
}
