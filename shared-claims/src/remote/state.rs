//! The state that verifiers and the background task share.

use std::{
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, timeout_at},
};
use url::Url;

use super::{
    clock_skew::ClockSkew,
    discovery::{Endpoints, Location},
    http::Http,
    keys::requests::KeyRequests,
    lists::{
        held::{Now, Terms},
        requests::ListRequests,
        signed_list::{Expected, SignedList},
        store::Lists,
    },
    lock::lock,
};
use crate::{
    clock::Clock, error::refusal::Refusal, faults::Faults, key_store::KeyStore, keys::key_set::KeySet,
    policy::Policy, shown::Shown,
};

/// How long anything waits for a shared fetch.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(1);

/// The state for one issuer.
pub(super) struct State {
    pub(super) policy: Policy,
    pub(super) http: Http,
    pub(super) location: Location,
    /// `None` until the metadata has been read.
    pub(super) endpoints: watch::Sender<Option<Endpoints>>,
    pub(super) keys: Arc<KeyStore>,
    pub(super) key_requests: KeyRequests,
    /// The key set as it was fetched, and when it was last confirmed, in seconds since 1970.
    pub(super) key_document: Mutex<Option<(Arc<str>, u64)>>,
    /// The generation of the keys, for tasks that wait for its change.
    pub(super) key_generation: watch::Sender<u64>,
    /// The latest revision of the key set that the issuer has published, by an event or in the response to a poll.
    pub(super) published_keys_revision: watch::Sender<Option<u64>>,
    /// Older keys and lists are not used.
    pub(super) max_age: Duration,
    /// `None` if status lists are turned off.
    pub(super) lists: Option<Revocation>,
    /// Whether the event stream is connected.
    pub(super) streaming: watch::Sender<bool>,
    /// Whether the aggregation has the revisions of all lists.
    pub(super) revisions_known: AtomicBool,
    /// Keys or lists have changed since the snapshot was written.
    pub(super) unsaved: Notify,
    pub(super) faults: Arc<Faults>,
    skew: ClockSkew,
    trouble: Mutex<Option<String>>,
}

/// The status lists, and the requests for them.
pub(super) struct Revocation {
    pub(super) lists: Lists,
    pub(super) requests: ListRequests,
    pub(super) limits: Limits,
}

/// Limits on the status lists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) lists: usize,
    /// The size of a list when inflated.
    pub(super) list_bytes: usize,
    /// The longest lifetime of an access token. What is merged into a list is kept for this time plus the leeway.
    pub(super) token_lifetime: Duration,
}

impl State {
    /// Creates the state, and the channel on which lists are requested.
    pub(super) fn new(
        policy: Policy,
        http: Http,
        location: Location,
        keys: Arc<KeyStore>,
        max_age: Duration,
        limits: Option<Limits>,
    ) -> (Self, mpsc::Receiver<String>) {
        let (requests, requested) = ListRequests::new();
        let state = Self {
            policy,
            http,
            location,
            endpoints: watch::Sender::new(None),
            keys,
            key_requests: KeyRequests::new(),
            key_document: Mutex::new(None),
            key_generation: watch::Sender::new(0),
            published_keys_revision: watch::Sender::new(None),
            max_age,
            lists: limits.map(|limits| Revocation { lists: Lists::new(max_age), requests, limits }),
            streaming: watch::Sender::new(false),
            revisions_known: AtomicBool::new(false),
            unsaved: Notify::new(),
            faults: Arc::default(),
            skew: ClockSkew::default(),
            trouble: Mutex::new(Some("the verifier has not been started".to_owned())),
        };
        (state, requested)
    }

    /// Stores keys that were just fetched or confirmed.
    pub(super) fn put_keys(&self, keys: &Arc<KeySet>, document: &Arc<str>, clock: &Clock) {
        self.keys.set(keys, clock);
        *lock(&self.key_document) = Some((Arc::clone(document), clock.now()));
        let generation = self.keys.generation();
        if self.key_generation.send_replace(generation) != generation {
            let kids = keys.kids().collect::<Vec<_>>().join(", ");
            log::info!("keys of {}: {}", self.policy.issuer(), Shown(kids));
            self.unsaved.notify_one();
        }
    }

    /// Notes the revision of the keys in the response to a poll. While the event stream is connected, its events are newer and
    /// the poll is ignored. A revision that is not new is not reported again, or the worker would never give up.
    pub(super) fn key_revision_polled(&self, revision: u64) {
        if !*self.streaming.borrow() {
            self.published_keys_revision.send_if_modified(|known| known.replace(revision) != Some(revision));
        }
    }

    /// Waits for a fetch of the keys, unless there will be none. Returns whether it ended in time; its result is in the store.
    pub(super) async fn wait_for_keys(&self, deadline: Instant) -> bool {
        match self.key_requests.request() {
            Some(mut fetched) => timeout_at(deadline, fetched.changed()).await.is_ok(),
            None => true,
        }
    }

    /// Verifies the text of a list with the known keys.
    pub(super) fn read_list(
        &self,
        text: &str,
        uri: &str,
        max_bytes: usize,
        clock: &Clock,
    ) -> Result<SignedList, Refusal> {
        let expected = Expected { uri, policy: &self.policy, now: clock.now(), max_bytes };
        let keys = self.keys.usable(clock)?.0;
        let read = SignedList::verify(text, &keys, &expected);
        let issued = match &read {
            Ok(list) => Some(list.iat()),
            Err(Refusal::NotYetValid) => SignedList::issued_at(text, &keys, &self.policy),
            Err(_) => None,
        };
        self.saw_iat(issued, clock);
        read
    }

    /// Returns the URLs from which the list `uri` may be fetched, in this order.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if the list is not the issuer's, [`Refusal::Unavailable`] if that is not known yet.
    pub(super) fn list_urls(&self, uri: &str) -> Result<Vec<Url>, Refusal> {
        let endpoints = self.endpoints.borrow();
        let mut urls = self.location.of_list(uri, endpoints.as_ref());
        urls.retain(|url| self.http.check(url).is_ok());
        if !urls.is_empty() {
            Ok(urls)
        } else if endpoints.is_none() && Url::parse(uri).is_ok_and(|url| self.http.check(&url).is_ok()) {
            Err(Refusal::Unavailable)
        } else {
            Err(Refusal::Malformed("the status list is not the issuer's"))
        }
    }

    /// Returns both clocks, with the policy's leeway; `secs` is the wall clock's time.
    pub(super) fn now(&self, secs: u64, clock: &Clock) -> Now {
        Now { secs, leeway: self.policy.leeway_secs(), instant: clock.instant() }
    }

    /// Returns what decides at this moment whether a list has expired.
    pub(super) fn terms(&self, limits: &Limits, clock: &Clock) -> Terms {
        let hold = limits.token_lifetime.saturating_add(Duration::from_secs(self.policy.leeway_secs()));
        Terms { now: self.now(clock.now(), clock), hold, max_age: self.max_age }
    }

    /// Returns the error of the latest fetch of the keys.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    pub(super) fn report(&self, trouble: Option<&str>) {
        *lock(&self.trouble) = trouble.map(str::to_owned);
    }

    /// Notes the `Date` of an answer, if it had one.
    pub(super) fn saw_date(&self, date: Option<u64>, clock: &Clock) {
        let Some(date) = date else { return };
        self.skew.note_date(date, clock.now());
        self.warn_of_skew(clock);
    }

    /// Notes when a list was signed, if that is known.
    fn saw_iat(&self, iat: Option<u64>, clock: &Clock) {
        let Some(iat) = iat else { return };
        self.skew.note_iat(iat);
        self.warn_of_skew(clock);
    }

    /// Returns how many seconds the issuer's clock is ahead; less than 0 when it is behind.
    pub(super) fn clock_skew(&self, clock: &Clock) -> Option<i64> {
        self.skew.secs(clock.now())
    }

    fn warn_of_skew(&self, clock: &Clock) {
        let tolerated = (self.policy.leeway_secs() / 2).max(1);
        if let Some(skew) = self.clock_skew(clock).filter(|skew| skew.unsigned_abs() > tolerated) {
            self.faults.warn_of_skew(skew, self.policy.issuer(), clock.instant());
        }
    }
}
