//! The part of the background task that fetches the key set: at intervals, when asked, when the issuer says that it has
//! changed. It stores what is good.

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
        backoff::{back_off, scattered},
        http::{FetchError, Known},
        state::State,
    },
    shown::Shown,
};

/// How long keys are kept before they are fetched again, in seconds, if the issuer does not say.
const DEFAULT_INTERVAL: u64 = 300;
const MIN_INTERVAL: u64 = 60;
const MAX_INTERVAL: u64 = 60 * 60;
/// The first pause after a failure, and the longest one.
const BACK_OFF: Duration = Duration::from_secs(1);
const MAX_BACK_OFF: Duration = Duration::from_secs(60);
/// The same while there are no keys at all: the whole service waits for the first ones.
const MAX_BACK_OFF_WITHOUT_KEYS: Duration = Duration::from_secs(5);
/// Events cause no fetch sooner than so long after the one before. Also the first pause when one comes too early.
const AFTER_EVENT: Duration = Duration::from_millis(250);
/// How often a revision that was announced is looked for before it is given up.
const MAX_TRIES: u32 = 10;
/// How old metadata may be. An issuer's upgrade shows in it.
const METADATA_AGE: Duration = Duration::from_secs(10 * 60);

/// The part; [`run`](Self::run) is what it does.
pub(in crate::remote) struct KeyWorker {
    state: Arc<State>,
    clock: Clock,
    announced: watch::Receiver<Option<u64>>,
    /// The key set as it was last seen; forgotten after a failure, so that metadata is read again.
    last: Option<Last>,
    /// The highest revision that was fetched, as the answer said in `X-Keys-Revision`, or else the key set in `revision`.
    /// What only the snapshot knows binds nobody: an issuer that was set up anew counts from the start, and a restart is how
    /// its verifiers follow.
    fetched: Option<u64>,
    /// A token or a list is signed by a key that is not known, and nothing was fetched since.
    looking: bool,
    failures: u32,
    /// Answers in a row that were older than what was announced.
    tries: u32,
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
        let announced = state.keys_announced.subscribe();
        Self {
            state,
            clock,
            announced,
            last: None,
            fetched: None,
            looking: false,
            failures: 0,
            tries: 0,
            began: Instant::now(),
        }
    }

    /// Runs for ever.
    pub(in crate::remote) async fn run(mut self) {
        let mut due = self.refresh().await;
        self.state.key_requests.first_fetch_is_over();
        loop {
            select! {
                () = sleep_until(due) => due = self.refresh().await,
                () = self.state.key_requests.asked() => {
                    self.looking = true;
                    due = self.refresh().await;
                    self.state.key_requests.asked_fetch_is_over();
                }
                Ok(()) = self.announced.changed() => {
                    self.tries = 0;
                    if self.is_behind() {
                        due = due.min(self.began + AFTER_EVENT);
                    }
                }
            }
        }
    }

    /// Fetches once and says when to do it again.
    async fn refresh(&mut self) -> Instant {
        self.began = Instant::now();
        let pause = match self.fetch().await {
            Ok(max_age) => {
                self.succeeded();
                let interval = max_age.unwrap_or(DEFAULT_INTERVAL).clamp(MIN_INTERVAL, MAX_INTERVAL);
                self.pause_while_behind().unwrap_or(scattered(Duration::from_secs(interval)))
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
        // What is known to be outdated is not asked about, and the issuer itself is to answer: a cache in between might
        // think otherwise.
        let is_behind = self.is_behind();
        let outdated = is_behind || self.looking;
        let (url, found) = self.place(last.as_ref(), outdated).await?;
        let comparable = last.as_ref().filter(|last| last.url == url && !is_behind);
        let etag = comparable.and_then(|last| last.etag.as_ref());
        let known = Known { etag, outdated };
        let answer = self.state.http.get(&url, known).await?;
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
        self.looking = false;
        Ok(max_age)
    }

    /// Where the keys are, and since when that is known. `outdated`: no cache may say it.
    async fn place(&self, last: Option<&Last>, outdated: bool) -> Result<(Url, Instant), FetchError> {
        let known = last.map(|last| (last.url.clone(), last.found));
        if let Some((url, found)) = &known
            && found.elapsed() < METADATA_AGE
        {
            return Ok((url.clone(), *found));
        }
        match (self.state.location.find(&self.state.http, outdated).await, known) {
            (Ok(endpoints), _) => {
                let url = endpoints.keys.clone();
                self.state.endpoints.send_if_modified(|known| {
                    let differs = known.as_ref() != Some(&endpoints);
                    *known = Some(endpoints);
                    differs
                });
                Ok((url, Instant::now()))
            }
            (Err(_), Some(known)) => Ok(known), // good enough, and asked for again soon
            (Err(error), None) => Err(error),
        }
    }

    /// A key set must not be older than the one that is known.
    fn check_revision(&self, url: &Url, revision: Option<u64>) -> Result<(), FetchError> {
        if revision.is_some() && revision < self.fetched && self.state.keys.usable(&self.clock).is_ok() {
            return Err(FetchError::Content(url.clone(), "a key set of an older revision than is known"));
        }
        Ok(())
    }

    /// Of the answer that was taken last; until then, of the snapshot.
    fn known_revision(&self) -> Option<u64> {
        self.fetched.or_else(|| self.state.keys.latest()?.revision())
    }

    /// Whether the issuer has told of a revision that is not here.
    fn is_behind(&self) -> bool {
        match (*self.announced.borrow(), self.known_revision()) {
            (Some(announced), Some(known)) => known < announced,
            (Some(_), None) => self.tries == 0, // nothing tells whether what comes is it
            (None, _) => false,
        }
    }

    fn pause_while_behind(&mut self) -> Option<Duration> {
        if !self.is_behind() || self.tries == MAX_TRIES {
            return None;
        }
        self.tries += 1;
        self.is_behind().then(|| back_off(self.tries, AFTER_EVENT, MAX_BACK_OFF))
    }

    fn succeeded(&mut self) {
        if self.failures > 0 {
            log::info!("the keys of {} can be fetched again", self.state.policy.issuer());
        }
        self.failures = 0;
        self.state.report(None);
    }

    /// Warns at the first failure; that it goes on is said in `readiness`.
    fn failed(&mut self, error: &str) {
        let level = if self.failures == 0 { log::Level::Warn } else { log::Level::Debug };
        log::log!(level, "the keys of {} cannot be fetched: {}", self.state.policy.issuer(), Shown(error));
        self.failures = self.failures.saturating_add(1);
        self.state.report(Some(error));
    }
}
