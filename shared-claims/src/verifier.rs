//! The one way in: the text of a token becomes verified claims, or a reason why not.
//!
//! Cheapest and least trusting first: form, header, key by `kid`, the key's own algorithm, signature, then the claims,
//! and at last the status. Nothing on this path locks or waits, save that an unknown `kid` or status list may wait for
//! one fetch.

use std::{fmt, sync::Arc};

use aws_lc_rs::hmac;

#[cfg(feature = "remote")]
use crate::remote::{Patience, Refresher, Remote};
use crate::{
    AccessToken, Algorithm, AuthError, Cause, Claims, Clock, KeySet, Policy, Readiness, Refusal, SetupError,
    Sources,
    jws::{ACCESS_TOKEN, Unverified},
    key_store::KeyStore,
    strict,
};

/// The shortest shared secret, in bytes (RFC 7518 section 3.2).
const MIN_SECRET: usize = 32;

/// Verifies access tokens (RFC 9068) by keys it holds in memory. Cheap to clone; all clones share their keys.
#[derive(Clone, Debug)]
pub struct Verifier {
    shared: Arc<Shared>,
    clock: Clock,
    sources: Sources,
}

#[derive(Debug)]
struct Shared {
    policy: Policy,
    keys: Keys,
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
        store.set(&Arc::new(keys));
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
        let keys = Keys::Public(store);
        Ok(Self {
            shared: Arc::new(Shared { policy, keys, refresher: Some(refresher) }),
            clock: Clock::system(),
            sources: Sources::default(),
        })
    }

    fn new(policy: Policy, keys: Keys) -> Self {
        #[cfg(feature = "remote")]
        let shared = Shared { policy, keys, refresher: None };
        #[cfg(not(feature = "remote"))]
        let shared = Shared { policy, keys };
        Self { shared: Arc::new(shared), clock: Clock::system(), sources: Sources::default() }
    }

    /// Judges by another clock from now on; clones made earlier keep theirs. The background task keeps the one that it
    /// was started with.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
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
        Arc::ptr_eq(&self.shared, &other.shared) && self.sources == other.sources
    }

    /// Reads the [snapshot](Remote::snapshot), if there is one, and spawns the task that fetches keys and status lists
    /// and keeps them fresh, once; later calls do nothing. The task ends when the last clone of this verifier is
    /// gone. A verifier without remote keys has nothing to start.
    ///
    /// # Panics
    /// Outside a tokio runtime, where nothing can be spawned.
    #[cfg(feature = "remote")]
    pub fn start(&self) {
        if let Some(refresher) = &self.shared.refresher {
            refresher.start(&self.clock);
        }
    }

    /// Puts other keys in force at once. With remote keys it seeds the verifier until the next fetch; a
    /// verifier of a shared secret has no key set and ignores this.
    pub fn set_keys(&self, keys: KeySet) {
        if let Keys::Public(store) = &self.shared.keys {
            store.set(&Arc::new(keys));
        }
    }

    /// Verifies a token. One whose key and status list are known never waits. With remote keys, others wait at most a
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
        #[cfg(feature = "remote")]
        if let Some(refresher) = &self.shared.refresher {
            return self.verify_patiently(token, refresher).await;
        }
        self.verify_known(token)
    }

    #[cfg(feature = "remote")]
    async fn verify_patiently(&self, token: &str, refresher: &Refresher) -> Result<AccessToken, Refusal> {
        let mut judged = self.examine(token, Expiry::Checked);
        let mut patience = None;
        if let Err(Refusal::UnknownKey | Refusal::Unavailable) = judged {
            refresher.wait_for_keys(*patience.insert(Patience::begin())).await;
            // Also when nothing was fetched: another request's fetch may have ended in between.
            judged = self.examine(token, Expiry::Checked);
        }
        let token = judged.map_err(|refusal| match refusal {
            // The key may be a new one that the issuer, out of reach, cannot tell us of: that is not the token's fault.
            Refusal::UnknownKey if refresher.trouble().is_some() => Refusal::Unavailable,
            other => other,
        })?;
        let mut status = self.check_status(&token);
        if let (Err(Refusal::Unavailable), Some(named)) = (&status, &token.status) {
            let patience = patience.unwrap_or_else(Patience::begin);
            refresher.wait_for_list(&named.status_list, patience).await;
            status = self.check_status(&token);
        }
        status.map(|()| token)
    }

    /// Verifies a token by the keys and status lists that are known, without waiting.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_known(&self, token: &str) -> Result<AccessToken, Refusal> {
        let token = self.examine(token, Expiry::Checked)?;
        self.check_status(&token).map(|()| token)
    }

    /// Like [`verify_known`](Self::verify_known), but a token passes that has expired, or was revoked: no status is
    /// looked up. For logout alone, where such a token still names the session to end: it must open nothing.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), without [`Refusal::Expired`] and [`Refusal::Revoked`].
    pub fn verify_expired(&self, token: &str) -> Result<AccessToken, Refusal> {
        self.examine(token, Expiry::Ignored)
    }

    /// Whether tokens can be judged right now. For a readiness probe.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        #[cfg(feature = "remote")]
        let revocations = self.shared.refresher.as_ref().and_then(Refresher::revocations);
        #[cfg(not(feature = "remote"))]
        let revocations = None;
        let Keys::Public(store) = &self.shared.keys else {
            return Readiness::Ready { keys_age_secs: 0, revocations };
        };
        match (store.usable(), store.age()) {
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
    fn examine(&self, token: &str, expiry: Expiry) -> Result<AccessToken, Refusal> {
        let token = Unverified::parse(token, &ACCESS_TOKEN)?;
        self.check_signature(&token)?;
        let claims = read_claims(&token.payload)?;
        let (policy, now) = (&self.shared.policy, self.clock.now());
        policy.check(&claims, now)?;
        if expiry == Expiry::Checked {
            policy.check_expiry(&claims, now)?;
        }
        Ok(AccessToken::new(claims, policy.shared_realm(), now))
    }

    fn check_signature(&self, token: &Unverified<'_>) -> Result<(), Refusal> {
        match &self.shared.keys {
            Keys::Secret(_) if token.header.alg.parse() != Ok(Algorithm::HS256) => Err(Refusal::Algorithm),
            Keys::Secret(key) => {
                hmac::verify(key, token.signed.as_bytes(), &token.signature).map_err(|_| Refusal::Signature)
            }
            Keys::Public(store) => {
                let key = token.key(&self.shared.policy)?;
                store.usable()?.verify(key, token)
            }
        }
    }

    /// Whether the token's session goes on, by what is known.
    #[cfg(feature = "remote")]
    fn check_status(&self, token: &AccessToken) -> Result<(), Refusal> {
        match (&self.shared.refresher, &token.status) {
            (Some(refresher), Some(status)) => {
                refresher.check_status(&status.status_list, token.exp, self.clock.now())
            }
            _ => Ok(()),
        }
    }

    #[cfg(not(feature = "remote"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only remote lists can be looked up")]
    fn check_status(&self, _: &AccessToken) -> Result<(), Refusal> {
        Ok(())
    }
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
