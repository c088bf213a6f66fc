//! The background task: fetches the key set, at intervals and when asked, and stores what is good.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use reqwest::header::HeaderValue;
use tokio::{select, sync::mpsc, time::sleep};
use url::Url;

use super::{
    discovery::Location,
    http::{FetchError, Http},
    refresher::Shared,
};
use crate::KeySet;

/// How long keys are kept before they are fetched again, in seconds, if the issuer does not say.
const DEFAULT_INTERVAL: u64 = 300;
const MIN_INTERVAL: u64 = 60;
const MAX_INTERVAL: u64 = 60 * 60;
/// The longest pause after failures, in seconds; the first one is a second, and each is twice the one before.
const MAX_BACK_OFF: u64 = 60;
/// The same while there are no keys at all: the whole service waits for the first ones.
const MAX_BACK_OFF_WITHOUT_KEYS: u64 = 5;

/// All that the task needs; [`run`](Self::run) is the task.
pub(super) struct Worker {
    issuer: String,
    http: Http,
    location: Location,
    asks: mpsc::Receiver<()>,
    shared: Arc<Shared>,
    /// The key set as it was last seen; forgotten after a failure, so that metadata is read again.
    last: Option<Last>,
    failures: u32,
}

struct Last {
    url: Url,
    etag: Option<HeaderValue>,
    keys: Arc<KeySet>,
}

impl Worker {
    pub(super) fn new(
        issuer: &str,
        http: Http,
        location: Location,
        asks: mpsc::Receiver<()>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { issuer: issuer.to_owned(), http, location, asks, shared, last: None, failures: 0 }
    }

    /// Runs until the last verifier is dropped.
    pub(super) async fn run(mut self) {
        let mut pause = self.refresh().await;
        self.shared.first_fetch_is_over();
        loop {
            select! {
                () = sleep(pause) => pause = self.refresh().await,
                ask = self.asks.recv() => {
                    if ask.is_none() {
                        return;
                    }
                    pause = self.refresh().await;
                    self.shared.asked_fetch_is_over();
                }
            }
        }
    }

    /// Fetches once and says how long to wait before the next time.
    async fn refresh(&mut self) -> Duration {
        match self.fetch().await {
            Ok(max_age) => {
                self.succeeded();
                let interval = max_age.unwrap_or(DEFAULT_INTERVAL).clamp(MIN_INTERVAL, MAX_INTERVAL);
                scattered(interval)
            }
            Err(error) => {
                self.failed(&error.to_string());
                let keyless = self.shared.store.age().is_none();
                let most = if keyless { MAX_BACK_OFF_WITHOUT_KEYS } else { MAX_BACK_OFF };
                scattered((1 << (self.failures - 1).min(6)).min(most))
            }
        }
    }

    async fn fetch(&mut self) -> Result<Option<u64>, FetchError> {
        let last = self.last.take();
        let (url, etag) = match &last {
            Some(last) => (last.url.clone(), last.etag.as_ref()),
            None => (self.location.find(&self.http).await?, None),
        };
        let answer = self.http.get(&url, etag).await?;
        let last = match (answer.body, last) {
            (None, Some(unchanged)) => unchanged,
            (body, _) => {
                let keys = KeySet::from_json(&body.unwrap_or_default());
                let keys = Arc::new(keys.map_err(|error| FetchError::Keys(url.clone(), error))?);
                Last { url, etag: answer.etag, keys }
            }
        };
        self.announce(&last.keys);
        self.shared.store.set(Arc::clone(&last.keys));
        self.last = Some(last);
        Ok(answer.max_age)
    }

    fn announce(&self, keys: &KeySet) {
        if !self.shared.store.holds(keys) {
            let kids: Vec<_> = keys.kids().collect();
            log::info!("keys of {}: {kids:?}", self.issuer);
        }
    }

    fn succeeded(&mut self) {
        if self.failures > 0 {
            log::info!("the keys of {} can be fetched again", self.issuer);
        }
        self.failures = 0;
        self.shared.report(None);
    }

    /// Warns at the first failure; that it goes on is said in `readiness`.
    fn failed(&mut self, error: &str) {
        let level = if self.failures == 0 { log::Level::Warn } else { log::Level::Debug };
        log::log!(level, "the keys of {} cannot be fetched: {error}", self.issuer);
        self.failures = self.failures.saturating_add(1);
        self.shared.report(Some(error));
    }
}

/// `seconds`, give or take a tenth, so that verifiers started together do not ask together. Not for secrets:
/// the hasher's random seed is good enough here and needs no generator.
fn scattered(seconds: u64) -> Duration {
    let tenth = seconds * 100; // in milliseconds
    let random = RandomState::new().hash_one(seconds);
    Duration::from_millis(seconds * 1000 - tenth + random % (2 * tenth + 1))
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Worker for {}", self.issuer)
    }
}
