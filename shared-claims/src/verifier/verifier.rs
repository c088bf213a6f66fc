//! The one way in: the text of a token becomes verified claims, or a reason why not. Here is what a verifier is and how it
//! is made; `verify` is the path that a token takes, `status` what is looked up about its session.

use std::{fmt, sync::Arc};

use aws_lc_rs::hmac;

#[cfg(feature = "testing")]
use crate::remote::in_process::Line;
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
    observer::{Observer, Watch},
    policy::Policy,
    readiness::Readiness,
};

/// The shortest shared secret, in bytes (RFC 7518 section 3.2).
const MIN_SECRET: usize = 32;

/// Verifies access tokens (RFC 9068) by keys it holds in memory. Cheap to clone; all clones share their keys.
#[derive(Clone, Debug)]
pub struct Verifier {
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Clock,
    sources: Sources,
    pub(super) observer: Option<Watch>,
    /// Verifiers of other issuers, each with its own keys and policy; none of them has any others.
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
    /// Verifies by keys that are at hand; [`set_keys`](Self::set_keys) replaces them. No status is looked up: a
    /// service that knows which sessions have ended sees to that itself.
    #[must_use]
    pub fn with_keys(policy: Policy, keys: KeySet) -> Self {
        let store = KeyStore::default();
        store.set(&Arc::new(keys), &Clock::system());
        Self::new(policy, Keys::Public(Arc::new(store)))
    }

    /// Verifies `HS256` by a secret that the issuer shares. The `kid` is ignored. Whoever holds the secret
    /// can make tokens, so this is for the smallest set-ups. No status is looked up.
    ///
    /// # Errors
    /// When the secret has fewer than 32 bytes.
    pub fn with_shared_secret(policy: Policy, secret: &[u8]) -> Result<Self, SetupError> {
        if secret.len() < MIN_SECRET {
            return Err(SetupError::ShortSecret);
        }
        Ok(Self::new(policy, Keys::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))))
    }

    /// Verifies by the keys and status lists that the issuer publishes. Does no I/O and spawns nothing: call
    /// [`start`](Self::start) when a tokio runtime is there. Until the first keys arrive, well-formed tokens
    /// are [`Refusal::Unavailable`](crate::error::Refusal::Unavailable).
    ///
    /// # Errors
    /// When a URL cannot be used or is plain HTTP without being allowed to, or when the trusted certificates are
    /// not PEM.
    #[cfg(feature = "remote")]
    pub fn remote(policy: Policy, remote: Remote) -> Result<Self, SetupError> {
        let store = Arc::new(KeyStore::with_max_age(remote.longest_staleness()));
        let refresher = remote.refresher(&policy, Arc::clone(&store))?;
        let shared = Shared::remote(policy, store, refresher);
        Ok(Self::of(shared))
    }

    /// Verifies by what an issuer in the same process publishes: as [`remote`](Self::remote), but for the network.
    #[cfg(feature = "testing")]
    pub(crate) fn in_process(
        policy: Policy,
        remote: Remote,
        clock: Clock,
    ) -> Result<(Self, Line), SetupError> {
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

    /// Accepts the tokens of several issuers: each verifier judges those of its own issuer, by its own keys, policy and
    /// clock (RFC 8725 section 3.8). Errors carry the realm of the first one, [`set_keys`](Self::set_keys) concerns the
    /// first one, and tokens are taken from the first one's [sources](Self::with_sources).
    ///
    /// # Errors
    /// When there is no verifier, or two are for the same issuer.
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

    /// Takes tokens from these places of a request from now on; clones made earlier keep theirs.
    #[must_use]
    pub fn with_sources(mut self, sources: Sources) -> Self {
        self.sources = sources;
        self
    }

    /// Where in a request its token may stand.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Whether a token that `other` took from a request and verified would also have passed here, and in the same way.
    #[cfg(any(feature = "actix", feature = "axum"))]
    pub(crate) fn judges_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
            && self.sources == other.sources
            && self.others.len() == other.others.len()
            && self.others.iter().zip(&*other.others).all(|(one, another)| one.judges_like(another))
    }

    /// Tells `observer` of every token from now on; clones made earlier tell nobody, or another one.
    #[must_use]
    pub fn observed_by(mut self, observer: impl Observer) -> Self {
        self.observer = Some(Watch(Arc::new(observer)));
        self
    }

    pub(super) fn issuer(&self) -> &str {
        self.shared.policy.issuer()
    }

    /// Judges by another clock from now on; clones made earlier keep theirs. The background task keeps the one that it
    /// was started with.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Reads the [snapshot](Remote::snapshot), if there is one, and spawns the task that fetches keys and status lists
    /// and keeps them fresh, once; later calls do nothing. The task ends when the last clone of this verifier is
    /// gone. A verifier without remote keys has nothing to start.
    ///
    /// # Panics
    /// Outside a tokio runtime, where nothing can be spawned.
    #[cfg(feature = "remote")]
    pub fn start(&self) {
        for verifier in self.all() {
            if let Some(refresher) = &verifier.shared.refresher {
                refresher.start(&verifier.clock);
            }
        }
    }

    /// This one, and those of other issuers.
    pub(super) fn all(&self) -> impl Iterator<Item = &Self> {
        [self].into_iter().chain(self.others.iter())
    }

    /// Puts other keys in force at once. With remote keys it seeds the verifier until the next fetch; a
    /// verifier of a shared secret has no key set and ignores this.
    pub fn set_keys(&self, keys: KeySet) {
        if let Keys::Public(store) = &self.shared.keys {
            store.set(&Arc::new(keys), &self.clock);
        }
    }

    /// Whether tokens can be judged right now, of every issuer. For a readiness probe.
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
        expect(clippy::unused_self, reason = "only remote keys can be missing")
    )]
    fn not_ready(&self, what: &str) -> Readiness {
        #[cfg(feature = "remote")]
        if let Some(trouble) = self.shared.refresher.as_ref().and_then(Refresher::trouble) {
            return Readiness::NotReady { reason: format!("{what}: {trouble}") };
        }
        Readiness::NotReady { reason: what.to_owned() }
    }

    /// How many seconds the issuer's clock is ahead of this one; less than 0 when it is behind. By the `Date` of the issuer's
    /// latest answer, and by the `iat` of the status list that was read last. Of several issuers, the largest difference. `None`
    /// when nothing has said so, as with keys at hand.
    ///
    /// No token is judged by it. The log warns, once a minute at most, when it is more than half of the policy's leeway.
    #[must_use]
    pub fn clock_skew(&self) -> Option<i64> {
        self.all().filter_map(Self::own_clock_skew).max_by_key(|skew| skew.unsigned_abs())
    }

    #[cfg(feature = "remote")]
    fn own_clock_skew(&self) -> Option<i64> {
        self.shared.refresher.as_ref()?.clock_skew(&self.clock)
    }

    #[cfg(not(feature = "remote"))]
    #[expect(clippy::unused_self, reason = "only an issuer that is asked shows its clock")]
    fn own_clock_skew(&self) -> Option<i64> {
        None
    }

    /// The error to answer with for a reason of one's own, such as
    /// [`Refusal::Revoked`](crate::error::Refusal::Revoked), with this verifier's realm.
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
