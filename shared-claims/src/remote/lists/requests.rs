//! Requests whose status list is unknown: one fetch for all that name the same list, and then a cool-down.
//!
//! The table holds at most [`MAX_REQUESTED`] lists, and one that could not be fetched stays in it during its cool-down. So
//! made-up lists cause few fetches, however many there are.

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

/// How many lists may be requested, or cool down, at a time.
const MAX_REQUESTED: usize = 100;
/// How long after a failed fetch requests do not cause another one of the same list.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// The sending end of the table; the background task has the receiver.
#[derive(Debug)]
pub(in crate::remote) struct ListRequests {
    table: Mutex<HashMap<String, Stage>>,
    requests: mpsc::Sender<String>,
}

#[derive(Debug)]
enum Stage {
    /// Requests for the list wait for this.
    Fetching(watch::Sender<()>),
    CoolingUntil(Instant),
}

impl ListRequests {
    pub(in crate::remote) fn new() -> (Self, mpsc::Receiver<String>) {
        let (requests, requested) = mpsc::channel(MAX_REQUESTED);
        (Self { table: Mutex::default(), requests }, requested)
    }

    /// Requests a fetch of the list `uri`, or joins the one in flight; `None` if there will be none.
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

    /// Notes that a fetch of `uri` has ended. Waiting requests continue.
    pub(in crate::remote) fn finished(&self, uri: &str, found: bool) {
        let mut table = self.table();
        if !matches!(table.get(uri), Some(Stage::Fetching(_))) {
            return; // not requested
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
