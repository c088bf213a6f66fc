//! The `Verifier`: how it is built and configured, and its readiness. `verify` is the path that a token takes, `status` the
//! check of its session.

use std::{fmt, sync::Arc};

use aws_lc_rs::hmac;

#[cfg(feature = "testing")]
use crate::remote::in_process::Link;
#[cfg(feature = "remote")]
use crate::remote::{refresher::Refresher, remote::Remote};
use crate::{
    cache::TokenCache,
    clock::Clock,
    error::setup::SetupError,
    faults::Faults,
    http::{
        bearer::{AuthError, Cause},
        sources::Sources,
    },
    key_store::KeyStore,
    keys::key_set::KeySet,
    observer::{Observer, SharedObserver},
    policy::Policy,
    readiness::Readiness,
};

/// The shortest shared secret, in bytes (RFC 7518 section 3.2).
const MIN_SECRET: usize = 32;

/// Verifies access tokens (RFC 9068) with keys that it holds in memory. Cheap to clone; all clones share their keys.
#[derive(Clone, Debug)]
pub struct Verifier {
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Clock,
    sources: Sources,
    pub(super) observer: Option<SharedObserver>,
    /// Verifiers of other issuers, each with its own keys and policy. Their own `others` are empty.
    pub(super) others: Arc<[Verifier]>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) policy: Policy,
    pub(super) keys: Keys,
    pub(super) cache: Option<TokenCache>,
    pub(super) faults: Arc<Faults>,
    #[cfg(feature = "remote")]
    pub(super) refresher: Option<Refresher>,
}

#[cfg(feature = "remote")]
impl Shared {
    fn remote(policy: Policy, store: Arc<KeyStore>, refresher: Refresher) -> Self {
        let (cache, faults) = (cache(&policy), Arc::clone(refresher.faults()));
        Self { cache, policy, keys: Keys::Public(store), faults, refresher: Some(refresher) }
    }
}

pub(super) enum Keys {
    Public(Arc<KeyStore>),
    Secret(Box<hmac::Key>),
}

impl Verifier {
    /// Creates a verifier with a fixed key set; [`set_keys`](Self::set_keys) replaces it. Status lists are not checked: a
    /// service that knows which sessions have ended checks that itself.
    #[must_use]
    pub fn with_keys(policy: Policy, keys: KeySet) -> Self {
        let store = KeyStore::default();
        store.set(&Arc::new(keys), &Clock::system());
        Self::new(policy, Keys::Public(Arc::new(store)))
    }

    /// Creates a verifier for `HS256` with a secret that it shares with the issuer. The `kid` is ignored and status lists are
    /// not checked. Every service that holds the secret can also issue tokens, so prefer public keys except in the smallest
    /// set-ups.
    ///
    /// # Errors
    /// [`SetupError::ShortSecret`] if the secret has fewer than 32 bytes.
    pub fn with_shared_secret(policy: Policy, secret: &[u8]) -> Result<Self, SetupError> {
        if secret.len() < MIN_SECRET {
            return Err(SetupError::ShortSecret);
        }
        Ok(Self::new(policy, Keys::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))))
    }

    /// Creates a verifier that uses the keys and status lists which the issuer publishes. Does no I/O and spawns nothing:
    /// call [`start`](Self::start) inside a tokio runtime. Until the first keys arrive, well-formed tokens are refused as
    /// [`Refusal::Unavailable`](crate::error::Refusal::Unavailable).
    ///
    /// # Errors
    /// If a URL is invalid, or is plain HTTP for a host that is not allowed it, or if the trusted certificates are not PEM.
    #[cfg(feature = "remote")]
    pub fn remote(policy: Policy, remote: Remote) -> Result<Self, SetupError> {
        let store = Arc::new(KeyStore::with_max_age(remote.longest_staleness()));
        let refresher = remote.refresher(&policy, Arc::clone(&store))?;
        let shared = Shared::remote(policy, store, refresher);
        Ok(Self::of(shared))
    }

    /// Creates a verifier for an issuer in the same process: like [`remote`](Self::remote), but without a network.
    #[cfg(feature = "testing")]
    pub(crate) fn in_process(
        policy: Policy,
        remote: Remote,
        clock: Clock,
    ) -> Result<(Self, Link), SetupError> {
        let store = Arc::new(KeyStore::with_max_age(remote.longest_staleness()));
        let (refresher, line) = remote.in_process(&policy, Arc::clone(&store))?;
        let shared = Shared::remote(policy, store, refresher);
        Ok((Self::of(shared).with_clock(clock), line))
    }

    fn new(policy: Policy, keys: Keys) -> Self {
        let shared = Shared {
            cache: cache(&policy),
            policy,
            keys,
            faults: Arc::default(),
            #[cfg(feature = "remote")]
            refresher: None,
        };
        Self::of(shared)
    }

    fn of(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
            clock: Clock::system(),
            sources: Sources::default(),
            observer: None,
            others: Arc::from([]),
        }
    }

    /// Combines verifiers of several issuers. Each one verifies the tokens of its own issuer, with its own keys, policy and
    /// clock (RFC 8725 section 3.8). The first verifier determines the realm of errors and the [sources](Self::with_sources)
    /// of tokens, and [`set_keys`](Self::set_keys) applies to it.
    ///
    /// # Errors
    /// [`SetupError::Issuers`] if there is no verifier, or if two are for the same issuer.
    ///
    /// ```
    /// # #[cfg(feature = "remote")]
    /// # fn both() -> Result<(), shared_claims::error::SetupError> {
    /// # use shared_claims::{Policy, Remote, Verifier};
    /// let [ours, partners] = ["https://auth.example.com", "https://partner.example"]
    ///     .map(|issuer| Verifier::remote(Policy::new(issuer, ["orders"])?, Remote::discover()));
    /// let verifier = Verifier::any_of([ours?, partners?])?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn any_of(verifiers: impl IntoIterator<Item = Self>) -> Result<Self, SetupError> {
        let all = verifiers.into_iter().flat_map(|verifier| {
            let others = verifier.others.to_vec();
            [Self { others: Arc::from([]), ..verifier }].into_iter().chain(others)
        });
        let mut all: Vec<Self> = all.collect();
        let mut issuers: Vec<&str> = all.iter().map(Self::issuer).collect();
        issuers.sort_unstable();
        if issuers.is_empty() || !issuers.is_sorted_by(|one, next| one != next) {
            return Err(SetupError::Issuers);
        }
        let first = all.remove(0);
        Ok(Self { others: all.into(), ..first })
    }

    /// Sets where in a request tokens are accepted. Clones made earlier keep their sources.
    #[must_use]
    pub fn with_sources(mut self, sources: Sources) -> Self {
        self.sources = sources;
        self
    }

    /// Returns where in a request tokens are accepted.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Returns whether this verifier finds and verifies the token of a request exactly as `other` does.
    #[cfg(any(feature = "actix", feature = "axum"))]
    pub(crate) fn verifies_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
            && self.sources == other.sources
            && self.others.len() == other.others.len()
            && self.others.iter().zip(&*other.others).all(|(one, another)| one.verifies_like(another))
    }

    /// Reports the outcome of every verification to `observer`. Clones made earlier keep their observer.
    #[must_use]
    pub fn with_observer(mut self, observer: impl Observer) -> Self {
        self.observer = Some(SharedObserver(Arc::new(observer)));
        self
    }

    pub(super) fn issuer(&self) -> &str {
        self.shared.policy.issuer()
    }

    /// Sets the clock that tokens are checked by. Clones made earlier keep theirs, and the background task keeps the one that
    /// it was started with.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Reads the [snapshot](Remote::snapshot), if there is one, and spawns the background task that fetches keys and status
    /// lists and keeps them fresh. The task ends when the last clone of this verifier is dropped. Later calls do nothing, and
    /// so do calls on a verifier without remote keys.
    ///
    /// # Panics
    /// If called outside a tokio runtime.
    #[cfg(feature = "remote")]
    pub fn start(&self) {
        for verifier in self.all() {
            if let Some(refresher) = &verifier.shared.refresher {
                refresher.start(&verifier.clock);
            }
        }
    }

    /// Returns this verifier and those of the other issuers.
    pub(super) fn all(&self) -> impl Iterator<Item = &Self> {
        [self].into_iter().chain(self.others.iter())
    }

    /// Replaces the key set. With remote keys, it is used until the next fetch. A verifier with a shared secret has no key set
    /// and ignores this.
    pub fn set_keys(&self, keys: KeySet) {
        if let Keys::Public(store) = &self.shared.keys {
            store.set(&Arc::new(keys), &self.clock);
        }
    }

    /// Returns whether tokens of every issuer can be verified now. For a readiness probe.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.all().map(Self::own_readiness).reduce(Readiness::worse).unwrap_or_else(|| self.own_readiness())
    }

    pub(super) fn own_readiness(&self) -> Readiness {
        #[cfg(feature = "remote")]
        let revocations =
            self.shared.refresher.as_ref().and_then(|refresher| refresher.revocations(self.clock.instant()));
        #[cfg(not(feature = "remote"))]
        let revocations = None;
        let Keys::Public(store) = &self.shared.keys else {
            return Readiness::Ready { keys_age_secs: 0, revocations };
        };
        match (store.usable(&self.clock), store.age(&self.clock)) {
            (Ok(_), age) => {
                Readiness::Ready { keys_age_secs: age.unwrap_or_default().as_secs(), revocations }
            }
            (Err(_), Some(_)) => self.not_ready("the keys are too old"),
            (Err(_), None) => self.not_ready("no keys yet"),
        }
    }

    #[cfg_attr(
        not(feature = "remote"),
        expect(clippy::unused_self, reason = "only remote keys can be absent")
    )]
    fn not_ready(&self, what: &str) -> Readiness {
        #[cfg(feature = "remote")]
        if let Some(trouble) = self.shared.refresher.as_ref().and_then(Refresher::trouble) {
            return Readiness::NotReady { reason: format!("{what}: {trouble}") };
        }
        Readiness::NotReady { reason: what.to_owned() }
    }

    /// Returns how many seconds the issuer's clock is ahead of this machine's; negative if it is behind. It is measured by the
    /// `Date` of the issuer's latest response and the `iat` of the latest status list. With several issuers, this is the
    /// largest difference. `None` if it is unknown, as with a fixed key set.
    ///
    /// The value is for monitoring and does not influence verification. If it exceeds half of the policy's leeway, the log
    /// warns, at most once a minute.
    #[must_use]
    pub fn clock_skew(&self) -> Option<i64> {
        self.all().filter_map(Self::own_clock_skew).max_by_key(|skew| skew.unsigned_abs())
    }

    #[cfg(feature = "remote")]
    fn own_clock_skew(&self) -> Option<i64> {
        self.shared.refresher.as_ref()?.clock_skew(&self.clock)
    }

    #[cfg(not(feature = "remote"))]
    #[expect(clippy::unused_self, reason = "only a remote issuer shows its clock")]
    fn own_clock_skew(&self) -> Option<i64> {
        None
    }

    /// Returns an error with this verifier's realm, for a reason of the application's own, such as
    /// [`Refusal::Revoked`](crate::error::Refusal::Revoked).
    #[must_use]
    pub fn auth_error(&self, cause: impl Into<Cause>) -> AuthError {
        let error = AuthError::new(cause, self.shared.policy.shared_realm());
        match self.sources().cookie_name() {
            Some(name) if *error.cause() == Cause::MissingToken => error.without_cookie(name),
            _ => error,
        }
    }
}

fn cache(policy: &Policy) -> Option<TokenCache> {
    let tokens = policy.cache_size();
    (tokens > 0).then(|| TokenCache::new(tokens))
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public(store) => store.fmt(f),
            Self::Secret(_) => f.write_str("a shared secret"),
        }
    }
}
