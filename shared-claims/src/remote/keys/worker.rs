//! The part of the background task that fetches the key set: at intervals, on request, and when the issuer publishes a
//! change.

use std::{sync::Arc, time::Duration};

use reqwest::header::HeaderValue;
use tokio::{
    select,
    sync::watch,
    time::{Instant, sleep_until},
};
use url::Url;

use crate::{
    clock::Clock,
    keys::key_set::KeySet,
    remote::{
        backoff::{back_off, jittered},
        http::{Conditions, FetchError},
        state::State,
    },
    shown::Shown,
};

/// How often keys are fetched, in seconds, if the response does not say.
const DEFAULT_INTERVAL: u64 = 300;
const MIN_INTERVAL: u64 = 60;
const MAX_INTERVAL: u64 = 60 * 60;
/// The first delay after a failure, and the longest one.
const BACK_OFF: Duration = Duration::from_secs(1);
const MAX_BACK_OFF: Duration = Duration::from_secs(60);
/// The longest delay while there are no keys, when the whole service waits for them.
const MAX_BACK_OFF_WITHOUT_KEYS: Duration = Duration::from_secs(5);
/// The shortest time between two fetches that events cause, and the first delay after a response that is behind an event.
const AFTER_EVENT: Duration = Duration::from_millis(250);
/// How often a published revision is fetched before giving up.
const MAX_ATTEMPTS: u32 = 10;
/// How old metadata may become. A later read shows an upgrade of the issuer.
const METADATA_AGE: Duration = Duration::from_secs(10 * 60);

/// The worker; [`run`](Self::run) is its task.
pub(in crate::remote) struct KeyWorker {
    state: Arc<State>,
    clock: Clock,
    published: watch::Receiver<Option<u64>>,
    /// The latest key set. It is dropped after a failure, so that metadata is read again.
    last: Option<Last>,
    /// The highest fetched revision, from `X-Keys-Revision` or else from the key set's `revision`. A revision from the
    /// snapshot is not used: an issuer that was set up anew counts from the start, and its verifiers follow after a
    /// restart.
    fetched: Option<u64>,
    /// A token or a list has an unknown key, and nothing has been fetched since.
    requested: bool,
    failures: u32,
    /// Consecutive responses that were older than the published revision.
    attempts: u32,
    began: Instant,
}

struct Last {
    url: Url,
    found: Instant,
    etag: Option<HeaderValue>,
    keys: Arc<KeySet>,
    document: Arc<str>,
    revision: Option<u64>,
}

impl KeyWorker {
    pub(in crate::remote) fn new(state: Arc<State>, clock: Clock) -> Self {
        let published = state.published_keys_revision.subscribe();
        Self {
            state,
            clock,
            published,
            last: None,
            fetched: None,
            requested: false,
            failures: 0,
            attempts: 0,
            began: Instant::now(),
        }
    }

    /// Runs forever.
    pub(in crate::remote) async fn run(mut self) {
        let mut due = self.refresh().await;
        self.state.key_requests.first_fetch_finished();
        loop {
            select! {
                () = sleep_until(due) => due = self.refresh().await,
                () = self.state.key_requests.requested() => {
                    self.requested = true;
                    due = self.refresh().await;
                    self.state.key_requests.requested_fetch_finished();
                }
                Ok(()) = self.published.changed() => {
                    self.attempts = 0;
                    if self.is_behind() {
                        due = due.min(self.began + AFTER_EVENT);
                    }
                }
            }
        }
    }

    /// Fetches once and returns when to fetch next.
    async fn refresh(&mut self) -> Instant {
        self.began = Instant::now();
        let pause = match self.fetch().await {
            Ok(max_age) => {
                self.succeeded();
                let interval = max_age.unwrap_or(DEFAULT_INTERVAL).clamp(MIN_INTERVAL, MAX_INTERVAL);
                self.pause_while_behind().unwrap_or(jittered(Duration::from_secs(interval)))
            }
            Err(error) => {
                self.failed(&error.to_string());
                let keyless = self.state.keys.latest().is_none();
                let first = if self.is_behind() { AFTER_EVENT } else { BACK_OFF };
                back_off(self.failures, first, if keyless { MAX_BACK_OFF_WITHOUT_KEYS } else { MAX_BACK_OFF })
            }
        };
        Instant::now() + pause
    }

    async fn fetch(&mut self) -> Result<Option<u64>, FetchError> {
        let last = self.last.take();
        // An outdated key set is fetched without an `ETag`, and from the issuer itself: a cache may still have it.
        let is_behind = self.is_behind();
        let bypass_caches = is_behind || self.requested;
        let (url, found) = self.locate(last.as_ref(), bypass_caches).await?;
        let comparable = last.as_ref().filter(|last| last.url == url && !is_behind);
        let etag = comparable.and_then(|last| last.etag.as_ref());
        let conditions = Conditions { etag, bypass_caches };
        let answer = self.state.http.get(&url, conditions).await?;
        self.state.saw_date(answer.date, &self.clock);
        let (etag, max_age, revision) = (answer.etag, answer.max_age, answer.keys_revision);
        let last = match (answer.body, last) {
            (None, Some(unchanged)) => {
                let revision = revision.or(unchanged.revision);
                self.check_revision(&url, revision)?;
                Last { found, revision, ..unchanged }
            }
            (body, _) => {
                let body = body.unwrap_or_default();
                let keys = KeySet::from_json(&body).map_err(|error| FetchError::Keys(url.clone(), error))?;
                let revision = revision.or(keys.revision());
                self.check_revision(&url, revision)?;
                let document = String::from_utf8(body).unwrap_or_default(); // it was JSON
                Last { url, found, etag, keys: Arc::new(keys), document: document.into(), revision }
            }
        };
        self.state.put_keys(&last.keys, &last.document, &self.clock);
        self.fetched = last.revision.or(self.fetched);
        self.last = Some(last);
        self.requested = false;
        Ok(max_age)
    }

    /// Returns the URL of the keys, and when it was found.
    async fn locate(&self, last: Option<&Last>, bypass_caches: bool) -> Result<(Url, Instant), FetchError> {
        let known = last.map(|last| (last.url.clone(), last.found));
        if let Some((url, found)) = &known
            && found.elapsed() < METADATA_AGE
        {
            return Ok((url.clone(), *found));
        }
        match (self.state.location.find(&self.state.http, bypass_caches).await, known) {
            (Ok(endpoints), _) => {
                let url = endpoints.keys.clone();
                self.state.endpoints.send_if_modified(|known| {
                    let differs = known.as_ref() != Some(&endpoints);
                    *known = Some(endpoints);
                    differs
                });
                Ok((url, Instant::now()))
            }
            (Err(_), Some(known)) => Ok(known), // still usable, and requested again soon
            (Err(error), None) => Err(error),
        }
    }

    /// Refuses a key set that is older than the known one.
    fn check_revision(&self, url: &Url, revision: Option<u64>) -> Result<(), FetchError> {
        if revision.is_some() && revision < self.fetched && self.state.keys.usable(&self.clock).is_ok() {
            return Err(FetchError::Content(
                url.clone(),
                "a key set of an older revision than the known one",
            ));
        }
        Ok(())
    }

    /// Returns the revision of the latest response or, before the first one, of the snapshot.
    fn known_revision(&self) -> Option<u64> {
        self.fetched.or_else(|| self.state.keys.latest()?.revision())
    }

    /// Returns whether the issuer has published a revision that has not been fetched.
    fn is_behind(&self) -> bool {
        match (*self.published.borrow(), self.known_revision()) {
            (Some(published), Some(known)) => known < published,
            (Some(_), None) => self.attempts == 0, // nothing shows whether the response has it
            (None, _) => false,
        }
    }

    fn pause_while_behind(&mut self) -> Option<Duration> {
        if !self.is_behind() || self.attempts == MAX_ATTEMPTS {
            return None;
        }
        self.attempts += 1;
        self.is_behind().then(|| back_off(self.attempts, AFTER_EVENT, MAX_BACK_OFF))
    }

    fn succeeded(&mut self) {
        if self.failures > 0 {
            log::info!("the keys of {} can be fetched again", self.state.policy.issuer());
        }
        self.failures = 0;
        self.state.report(None);
    }

    /// Warns at the first failure. `readiness` shows that it continues.
    fn failed(&mut self, error: &str) {
        let level = if self.failures == 0 { log::Level::Warn } else { log::Level::Debug };
        log::log!(level, "the keys of {} cannot be fetched: {}", self.state.policy.issuer(), Shown(error));
        self.failures = self.failures.saturating_add(1);
        self.state.report(Some(error));
    }
}
