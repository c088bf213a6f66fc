//! Requests whose status list is not known: one fetch for all that name the same list, and then a pause.
//!
//! However many lists are made up, the table holds [`MAX_ASKED`] at a time, and one that brought nothing stays in it for
//! the whole of its cool-down: so few fetches are caused by them in each.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

/// How many lists may be asked for, or cool down, at a time.
const MAX_ASKED: usize = 100;
/// How long after a fetch that brought nothing requests do not cause another one of the same list.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// The requests' end of the table; the background task holds the receiver.
#[derive(Debug)]
pub(super) struct ListAsks {
    table: Mutex<HashMap<String, Stage>>,
    asks: mpsc::Sender<String>,
}

#[derive(Debug)]
enum Stage {
    /// All that want the list wait for this.
    Fetching(watch::Sender<()>),
    CoolingUntil(Instant),
}

impl ListAsks {
    pub(super) fn new() -> (Self, mpsc::Receiver<String>) {
        let (asks, asked) = mpsc::channel(MAX_ASKED);
        (Self { table: Mutex::default(), asks }, asked)
    }

    /// Asks for the list `uri`, or joins those who did; `None` when it will not be fetched now.
    pub(super) fn ask(&self, uri: &str) -> Option<watch::Receiver<()>> {
        let now = Instant::now();
        let mut table = self.table();
        match table.get(uri) {
            Some(Stage::Fetching(over)) => return Some(over.subscribe()),
            Some(Stage::CoolingUntil(end)) if now < *end => return None,
            _ => {}
        }
        if table.len() >= MAX_ASKED {
            table.retain(|_, stage| !matches!(stage, Stage::CoolingUntil(end) if *end <= now));
        }
        if table.len() >= MAX_ASKED || self.asks.try_send(uri.to_owned()).is_err() {
            return None;
        }
        let (over, waiting) = watch::channel(());
        table.insert(uri.to_owned(), Stage::Fetching(over));
        Some(waiting)
    }

    /// A fetch of `uri` is over: whoever waited for it goes on.
    pub(super) fn is_over(&self, uri: &str, found: bool) {
        let mut table = self.table();
        if !matches!(table.get(uri), Some(Stage::Fetching(_))) {
            return; // nobody asked
        }
        if let Some(Stage::Fetching(over)) = table.remove(uri) {
            over.send_replace(());
        }
        if !found {
            table.insert(uri.to_owned(), Stage::CoolingUntil(Instant::now() + COOL_DOWN));
        }
    }

    /// Nothing panics while it holds the lock, and the table is whole at any time.
    fn table(&self) -> MutexGuard<'_, HashMap<String, Stage>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
