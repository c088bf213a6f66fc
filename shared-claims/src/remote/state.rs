//! What the verifier and the parts of the background task all know.

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

/// How long anything waits for a fetch that others may have asked for.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Shared by everything that has to do with one issuer.
pub(super) struct State {
    pub(super) policy: Policy,
    pub(super) http: Http,
    pub(super) location: Location,
    /// `None` until the issuer has said.
    pub(super) endpoints: watch::Sender<Option<Endpoints>>,
    pub(super) keys: Arc<KeyStore>,
    pub(super) key_requests: KeyRequests,
    /// The key set as it was fetched, and when it was last confirmed, in seconds since 1970.
    pub(super) key_document: Mutex<Option<(Arc<str>, u64)>>,
    /// The store's generation, for those who wait for another one.
    pub(super) key_generation: watch::Sender<u64>,
    /// The revision of the key set that the issuer told of last, by an event or in answer to a poll.
    pub(super) keys_announced: watch::Sender<Option<u64>>,
    /// Older knowledge is not used.
    pub(super) max_age: Duration,
    /// `None`: no status is looked up.
    pub(super) lists: Option<Revocation>,
    /// Whether the event stream is connected.
    pub(super) streaming: watch::Sender<bool>,
    /// Whether the issuer answers which lists have changed, all in one.
    pub(super) revisions_known: AtomicBool,
    /// Keys or lists have changed since the snapshot was written.
    pub(super) unsaved: Notify,
    pub(super) faults: Arc<Faults>,
    skew: ClockSkew,
    trouble: Mutex<Option<String>>,
}

/// What is there when status is looked up.
pub(super) struct Revocation {
    pub(super) lists: Lists,
    pub(super) requests: ListRequests,
    pub(super) limits: Limits,
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) lists: usize,
    /// A list when inflated.
    pub(super) list_bytes: usize,
    /// No access token lives longer; what is merged into a list holds for so long, and the leeway.
    pub(super) token_lifetime: Duration,
}

impl State {
    /// Also gives where requests will ask for lists.
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
            keys_announced: watch::Sender::new(None),
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

    /// Puts keys in force that were just fetched or confirmed.
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

    /// The answer to a poll says which revision the keys have. While the event stream is connected that one tells it, and is
    /// the newer of the two. What was said before is no news, or the worker would never give up.
    pub(super) fn keys_have(&self, revision: u64) {
        if !*self.streaming.borrow() {
            self.keys_announced.send_if_modified(|told| told.replace(revision) != Some(revision));
        }
    }

    /// Waits until a fetch of the keys is over, and not at all when there will be none. What came of it is in the store;
    /// `false` when it is not over in time.
    pub(super) async fn wait_for_keys(&self, deadline: Instant) -> bool {
        match self.key_requests.request() {
            Some(mut fetched) => timeout_at(deadline, fetched.changed()).await.is_ok(),
            None => true,
        }
    }

    /// Verifies the text of a list by the keys that are known.
    pub(super) fn read_list(
        &self,
        text: &str,
        uri: &str,
        most_bytes: usize,
        clock: &Clock,
    ) -> Result<SignedList, Refusal> {
        let expected = Expected { uri, policy: &self.policy, now: clock.now(), most_bytes };
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

    /// Where the list `uri` may be fetched, in this order.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when it is not the issuer's, [`Refusal::Unavailable`] when that is not known yet.
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

    /// Both clocks, with the policy's leeway; `secs` is the wall clock's.
    pub(super) fn now(&self, secs: u64, clock: &Clock) -> Now {
        Now { secs, leeway: self.policy.leeway_secs(), instant: clock.instant() }
    }

    /// What decides now when a list is over.
    pub(super) fn terms(&self, limits: &Limits, clock: &Clock) -> Terms {
        let hold = limits.token_lifetime.saturating_add(Duration::from_secs(self.policy.leeway_secs()));
        Terms { now: self.now(clock.now(), clock), hold, max_age: self.max_age }
    }

    /// What is wrong with the latest fetch of the keys.
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
