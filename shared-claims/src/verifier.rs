//! The one way in: the text of a token becomes verified claims, or a reason why not.
//!
//! Cheapest and least trusting first: form, header, key by `kid`, the key's own algorithm, signature, then the claims,
//! and at last the status. Nothing on this path locks or waits, save that an unknown `kid` or status list may wait for
//! one fetch.

use std::{fmt, sync::Arc};

use aws_lc_rs::hmac;
use serde::Deserialize;

#[cfg(feature = "testing")]
use crate::remote::Line;
#[cfg(feature = "remote")]
use crate::remote::{Patience, Refresher, Remote};
use crate::{
    AccessToken, Policy,
    cache::TokenCache,
    claims::Claims,
    error::{AuthError, Cause, Refusal, SetupError},
    http::Sources,
    jws::{ACCESS_TOKEN, Unverified},
    key_store::KeyStore,
    observer::Watch,
    strict,
    token::Verified,
};
pub use crate::{
    algorithm::Algorithm,
    clock::{Clock, ManualClock},
    keys::KeySet,
    observer::Observer,
    readiness::{Readiness, Revocations},
};

/// The shortest shared secret, in bytes (RFC 7518 section 3.2).
const MIN_SECRET: usize = 32;

/// Verifies access tokens (RFC 9068) by keys it holds in memory. Cheap to clone; all clones share their keys.
#[derive(Clone, Debug)]
pub struct Verifier {
    shared: Arc<Shared>,
    clock: Clock,
    sources: Sources,
    observer: Option<Watch>,
    /// Verifiers of other issuers, each with its own keys and policy; none of them has any others.
    others: Arc<[Verifier]>,
}

#[derive(Debug)]
struct Shared {
    policy: Policy,
    keys: Keys,
    cache: Option<TokenCache>,
    #[cfg(feature = "remote")]
    refresher: Option<Refresher>,
}

enum Keys {
    Public(Arc<KeyStore>),
    Secret(Box<hmac::Key>),
}

/// Whether `exp` counts.
#[derive(Clone, Copy, PartialEq)]
enum Expiry {
    Checked,
    Ignored,
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
    /// are [`Refusal::Unavailable`].
    ///
    /// # Errors
    /// When a URL cannot be used or is plain HTTP without being allowed to, or when the trusted certificates are
    /// not PEM.
    #[cfg(feature = "remote")]
    pub fn remote(policy: Policy, remote: Remote) -> Result<Self, SetupError> {
        let store = Arc::new(KeyStore::with_max_age(remote.longest_staleness()));
        let refresher = remote.refresher(&policy, Arc::clone(&store))?;
        let shared =
            Shared { cache: cache(&policy), policy, keys: Keys::Public(store), refresher: Some(refresher) };
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
        let shared =
            Shared { cache: cache(&policy), policy, keys: Keys::Public(store), refresher: Some(refresher) };
        Ok((Self::of(shared).with_clock(clock), line))
    }

    fn new(policy: Policy, keys: Keys) -> Self {
        let shared = Shared {
            cache: cache(&policy),
            policy,
            keys,
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

    fn issuer(&self) -> &str {
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
    fn all(&self) -> impl Iterator<Item = &Self> {
        [self].into_iter().chain(self.others.iter())
    }

    /// Whose token it is by its own word, where there is a choice; the first one's when that cannot be told.
    fn judge_of(&self, text: &str) -> &Self {
        if self.others.is_empty() {
            return self;
        }
        let issuer = Unverified::parse(text, &ACCESS_TOKEN).ok().and_then(|token| issuer_of(&token.payload));
        issuer.and_then(|issuer| self.all().find(|verifier| verifier.issuer() == issuer)).unwrap_or(self)
    }

    /// Puts other keys in force at once. With remote keys it seeds the verifier until the next fetch; a
    /// verifier of a shared secret has no key set and ignores this.
    pub fn set_keys(&self, keys: KeySet) {
        if let Keys::Public(store) = &self.shared.keys {
            store.set(&Arc::new(keys), &self.clock);
        }
    }

    /// Verifies a token; one that was verified before is not verified again, but whether it has expired, was revoked, or its
    /// key is gone is looked up each time. One whose key and status list are known never waits. With remote keys, others wait at most a
    /// second for one fetch that all such requests share; after it none is made for 10 seconds.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when there are no usable keys or no usable status list, or when the key is unknown and
    /// the issuer cannot be asked for it: neither is the token's fault. Else what is wrong with it.
    #[cfg_attr(
        not(feature = "remote"),
        expect(clippy::unused_async, reason = "only remote keys are waited for")
    )]
    pub async fn verify(&self, token: &str) -> Result<AccessToken, Refusal> {
        let recalled = self.all().find_map(|verifier| verifier.recall(token));
        if let Some(recalled) = recalled {
            return self.seen(true, recalled);
        }
        let judge = self.judge_of(token);
        #[cfg(feature = "remote")]
        if let Some(refresher) = &judge.shared.refresher {
            return self.seen(false, judge.verify_patiently(token, refresher).await);
        }
        self.seen(false, judge.verify_anew(token))
    }

    #[cfg(feature = "remote")]
    async fn verify_patiently(&self, text: &str, refresher: &Refresher) -> Result<AccessToken, Refusal> {
        let mut judged = self.examine(text, Expiry::Checked);
        let mut patience = None;
        if let Err(Refusal::UnknownKey | Refusal::Unavailable) = judged {
            refresher.wait_for_keys(*patience.insert(Patience::begin())).await;
            // Also when nothing was fetched: another request's fetch may have ended in between.
            judged = self.examine(text, Expiry::Checked);
        }
        let token = judged.map_err(|refusal| match refusal {
            // The key may be a new one that the issuer, out of reach, cannot tell us of: that is not the token's fault.
            Refusal::UnknownKey if refresher.trouble().is_some() => Refusal::Unavailable,
            other => other,
        })?;
        let mut status = self.check_status(&token);
        if let (Err(Refusal::Unavailable), Some(named)) = (&status, &token.claims.status) {
            let patience = patience.unwrap_or_else(Patience::begin);
            refresher.wait_for_list(&named.status_list, patience).await;
            status = self.check_status(&token);
        }
        status.map(|()| self.remember(text, token))
    }

    /// Verifies a token by the keys and status lists that are known, without waiting. With remote keys, an
    /// [observer](Self::observed_by) is not told of a key or a list that is not known: [`verify`](Self::verify) would wait
    /// for it.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_known(&self, token: &str) -> Result<AccessToken, Refusal> {
        let recalled = self.all().find_map(|verifier| verifier.recall(token));
        if let Some(recalled) = recalled {
            return self.seen(true, recalled);
        }
        let judge = self.judge_of(token);
        let judged = judge.verify_anew(token);
        #[cfg(feature = "remote")]
        if let (Some(_), Err(Refusal::UnknownKey | Refusal::Unavailable)) = (&judge.shared.refresher, &judged)
        {
            return judged;
        }
        self.seen(false, judged)
    }

    fn verify_anew(&self, text: &str) -> Result<AccessToken, Refusal> {
        let verified = self.examine(text, Expiry::Checked)?;
        self.check_status(&verified).map(|()| self.remember(text, verified))
    }

    /// Tells the observer, if there is one.
    fn seen(&self, remembered: bool, judged: Result<AccessToken, Refusal>) -> Result<AccessToken, Refusal> {
        if let Some(Watch(observer)) = &self.observer {
            match &judged {
                Ok(token) => observer.verified(token, remembered),
                Err(refusal) => observer.refused(refusal),
            }
        }
        judged
    }

    /// What is to be said of a token that was verified before; `None` when it has to be verified again.
    fn recall(&self, text: &str) -> Option<Result<AccessToken, Refusal>> {
        let token = self.shared.cache.as_ref()?.get(text)?;
        let (verified, now) = (token.verified(), self.clock.now());
        let same_keys = match &self.shared.keys {
            Keys::Public(store) => store.usable_generation(&self.clock) == verified.generation,
            Keys::Secret(_) => true,
        };
        if !same_keys || now < verified.lifetime.start {
            return None;
        }
        if now >= verified.lifetime.end {
            return Some(Err(Refusal::Expired));
        }
        match self.recheck_status(verified, now) {
            Ok(()) => Some(Ok(token.at(now))),
            Err(Refusal::Revoked) => Some(Err(Refusal::Revoked)),
            Err(_) => None, // the list is not there any more, or too old
        }
    }

    /// Stores a token that was found good.
    fn remember(&self, text: &str, verified: Verified) -> AccessToken {
        #[cfg(feature = "remote")]
        let (verified, complete) = self.with_place(verified);
        #[cfg(not(feature = "remote"))]
        let complete = true;
        let token = AccessToken::new(verified, self.clock.now());
        if let Some(cache) = self.shared.cache.as_ref().filter(|_| complete) {
            cache.put(text, &token);
        }
        token
    }

    /// Like [`verify_known`](Self::verify_known), but a token passes that has expired, or was revoked: no status is
    /// looked up. For logout alone, where such a token still names the session to end: it must open nothing.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), without [`Refusal::Expired`] and [`Refusal::Revoked`].
    pub fn verify_expired(&self, token: &str) -> Result<AccessToken, Refusal> {
        let judge = self.judge_of(token);
        let verified = judge.examine(token, Expiry::Ignored)?;
        Ok(AccessToken::new(verified, judge.clock.now()))
    }

    /// Whether tokens can be judged right now, of every issuer. For a readiness probe.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.all().map(Self::own_readiness).reduce(Readiness::worse).unwrap_or_else(|| self.own_readiness())
    }

    fn own_readiness(&self) -> Readiness {
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

    /// The error to answer with for a reason of one's own, such as [`Refusal::Revoked`], with this verifier's
    /// realm.
    #[must_use]
    pub fn auth_error(&self, cause: impl Into<Cause>) -> AuthError {
        AuthError::new(cause, self.shared.policy.shared_realm())
    }

    /// Everything but the status.
    fn examine(&self, token: &str, expiry: Expiry) -> Result<Verified, Refusal> {
        let token = Unverified::parse(token, &ACCESS_TOKEN)?;
        let generation = self.check_signature(&token)?;
        let claims = read_claims(&token.payload)?;
        let (policy, now) = (&self.shared.policy, self.clock.now());
        policy.check(&claims, now)?;
        if expiry == Expiry::Checked {
            policy.check_expiry(&claims, now)?;
        }
        let lifetime = policy.lifetime(&claims);
        Ok(Verified::new(claims, policy.shared_realm(), token.payload, generation, lifetime))
    }

    /// Gives the generation of the keys that it was checked by.
    fn check_signature(&self, token: &Unverified<'_>) -> Result<Option<u64>, Refusal> {
        match &self.shared.keys {
            Keys::Secret(_) if token.header.alg.parse() != Ok(Algorithm::HS256) => Err(Refusal::Algorithm),
            Keys::Secret(key) => hmac::verify(key, token.signed.as_bytes(), &token.signature)
                .map(|()| None)
                .map_err(|_| Refusal::Signature),
            Keys::Public(store) => {
                let key = token.key(&self.shared.policy)?;
                let (keys, generation) = store.usable(&self.clock)?;
                keys.verify(key, token).map(|()| Some(generation))
            }
        }
    }

    /// Whether the token's session goes on, by what is known.
    #[cfg(feature = "remote")]
    fn check_status(&self, token: &Verified) -> Result<(), Refusal> {
        match (&self.shared.refresher, &token.claims.status) {
            (Some(refresher), Some(status)) => {
                refresher.check_status(&status.status_list, token.claims.exp, &self.clock)
            }
            _ => Ok(()),
        }
    }

    #[cfg(not(feature = "remote"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only remote lists can be looked up")]
    fn check_status(&self, _: &Verified) -> Result<(), Refusal> {
        Ok(())
    }

    /// The same for a token that was verified before: its list need not be looked up again.
    #[cfg(feature = "remote")]
    fn recheck_status(&self, token: &Verified, now: u64) -> Result<(), Refusal> {
        match (&self.shared.refresher, &token.place) {
            (Some(refresher), Some((place, idx))) => refresher.check_place(place, *idx, now, &self.clock),
            _ => Ok(()),
        }
    }

    #[cfg(not(feature = "remote"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only remote lists can be looked up")]
    fn recheck_status(&self, _: &Verified, _: u64) -> Result<(), Refusal> {
        Ok(())
    }

    /// Notes where the token's status can be seen from now on; says whether that is all that must be looked at.
    #[cfg(feature = "remote")]
    fn with_place(&self, mut token: Verified) -> (Verified, bool) {
        let refresher = self.shared.refresher.as_ref().filter(|refresher| refresher.looks_status_up());
        let (Some(refresher), Some(status)) = (refresher, &token.claims.status) else { return (token, true) };
        let idx = status.status_list.idx;
        token.place = refresher.place(&status.status_list).map(|place| (place, idx));
        let known = token.place.is_some();
        (token, known)
    }
}

fn cache(policy: &Policy) -> Option<TokenCache> {
    let tokens = policy.cache_size();
    (tokens > 0).then(|| TokenCache::new(tokens))
}

/// Before anything is verified: only to know who is to verify it.
fn issuer_of(payload: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    serde_json::from_slice::<Issuer>(payload).ok().map(|claims| claims.iss)
}

fn read_claims(payload: &[u8]) -> Result<Claims, Refusal> {
    let object = strict::Object::check(payload).map_err(Refusal::Malformed)?;
    if object.has("cnf") {
        return Err(Refusal::SenderConstrained);
    }
    object.read().map_err(|_| Refusal::Malformed("a claim is missing or has the wrong type"))
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public(store) => store.fmt(f),
            Self::Secret(_) => f.write_str("a shared secret"),
        }
    }
}
