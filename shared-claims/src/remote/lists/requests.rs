//! Requests whose status list is not known: one fetch for all that name the same list, and then a pause.
//!
//! However many lists are made up, the table holds [`MAX_REQUESTED`] at a time, and one that brought nothing stays in it for
//! the whole of its cool-down: so few fetches are caused by them in each.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use crate::remote::lock::lock;

/// How many lists may be asked for, or cool down, at a time.
const MAX_REQUESTED: usize = 100;
/// How long after a fetch that brought nothing requests do not cause another one of the same list.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// The requests' end of the table; the background task holds the receiver.
#[derive(Debug)]
pub(in crate::remote) struct ListRequests {
    table: Mutex<HashMap<String, Stage>>,
    requests: mpsc::Sender<String>,
}

#[derive(Debug)]
enum Stage {
    /// All that want the list wait for this.
    Fetching(watch::Sender<()>),
    CoolingUntil(Instant),
}

impl ListRequests {
    pub(in crate::remote) fn new() -> (Self, mpsc::Receiver<String>) {
        let (requests, requested) = mpsc::channel(MAX_REQUESTED);
        (Self { table: Mutex::default(), requests }, requested)
    }

    /// Asks for the list `uri`, or joins those who did; `None` when it will not be fetched now.
    pub(in crate::remote) fn request(&self, uri: &str) -> Option<watch::Receiver<()>> {
        let now = Instant::now();
        let mut table = self.table();
        match table.get(uri) {
            Some(Stage::Fetching(over)) => return Some(over.subscribe()),
            Some(Stage::CoolingUntil(end)) if now < *end => return None,
            _ => {}
        }
        if table.len() >= MAX_REQUESTED {
            table.retain(|_, stage| !matches!(stage, Stage::CoolingUntil(end) if *end <= now));
        }
        if table.len() >= MAX_REQUESTED || self.requests.try_send(uri.to_owned()).is_err() {
            return None;
        }
        let (over, waiting) = watch::channel(());
        table.insert(uri.to_owned(), Stage::Fetching(over));
        Some(waiting)
    }

    /// A fetch of `uri` is over: whoever waited for it goes on.
    pub(in crate::remote) fn is_over(&self, uri: &str, found: bool) {
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

    fn table(&self) -> MutexGuard<'_, HashMap<String, Stage>> {
        lock(&self.table)
    }
}
