//! The test issuer: its keys, its clock, its status list and the verifiers connected to it.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{
    key::TestKey,
    list::{self, Assigned},
    odd_keys::OddKey,
    published::{Publisher, State},
};
use crate::{
    algorithm::Algorithm,
    clock::{Clock, ManualClock},
    error::setup::SetupError,
    policy::Policy,
    remote::Remote,
    verifier::Verifier,
};

/// The default name.
const NAME: &str = "https://issuer.test";
/// The default time: in January 2027.
const START: u64 = 1_800_000_000;
const SECRET: &[u8] = b"the secret that a test issuer and its verifiers share";

/// An issuer in the test's own process, without a server, a port, a runtime or sleeping. Cheap to clone; all clones are the
/// same issuer.
///
/// A verifier from [`verifier`](Self::verifier) is the one that runs in production: the key set and the signed status list
/// that the issuer publishes are stored like fetched ones, immediately. Time stands still until [`advance`](Self::advance).
///
/// ```
/// use std::time::Duration;
/// use shared_claims::{error::Refusal, testing::TestIssuer};
///
/// let issuer = TestIssuer::new();
/// let orders = issuer.verifier("orders");
/// let token = issuer.token("alice").scope("orders:read").expires_in(Duration::from_secs(60)).sign();
/// assert_eq!(orders.verify_now(&token)?.sub, "alice");
///
/// issuer.advance(Duration::from_secs(60 + 30)); // the leeway is 30 seconds
/// assert_eq!(orders.verify_now(&token).unwrap_err(), Refusal::Expired);
///
/// let another = issuer.token("alice").sign();
/// issuer.revoke(&another);
/// assert_eq!(orders.verify_now(&another).unwrap_err(), Refusal::Revoked);
/// # Ok::<(), Refusal>(())
/// ```
#[derive(Clone)]
pub struct TestIssuer(Arc<Issuer>);

/// What identifies a new token.
pub(super) struct NewToken {
    /// A number that no other token has.
    pub(super) number: u64,
    /// The index in the status list.
    pub(super) index: usize,
}

struct Issuer {
    name: String,
    time: ManualClock,
    secret: TestKey,
    state: Mutex<State>,
}

impl TestIssuer {
    /// Creates an issuer with new keys and the name `https://issuer.test`.
    #[must_use]
    pub fn new() -> Self {
        Self::named(NAME)
    }

    /// Creates an issuer with this name, which is the `iss` of its tokens.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::with_clock(name, &ManualClock::at(START))
    }

    /// Creates an issuer with a shared clock. Move the time with [`advance`](Self::advance) nevertheless: if the clock is
    /// moved directly, the keys and lists of its verifiers grow older, as with an issuer that is offline.
    #[must_use]
    pub fn with_clock(name: &str, time: &ManualClock) -> Self {
        let (name, time, secret) = (name.to_owned(), time.clone(), TestKey::hs256(SECRET));
        Self(Arc::new(Issuer { name, time, secret, state: Mutex::new(State::new()) }))
    }

    /// Returns the `iss` of its tokens.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns a verifier of tokens for `audience`, with the issuer's keys, clock and revocations. It receives changes
    /// immediately, and [`Verifier::start`] has nothing to do for it.
    ///
    /// # Panics
    /// If the audience is empty, or the issuer's name is not the URL of an issuer.
    #[must_use]
    pub fn verifier(&self, audience: &str) -> Verifier {
        let policy = self.policy(audience);
        self.verifier_with(policy, Remote::discover()).expect("the issuer's name is a URL")
    }

    /// Returns a verifier with another policy and with the limits of `remote`. Its URLs are not used.
    ///
    /// # Errors
    /// The same as [`Verifier::remote`].
    pub fn verifier_with(&self, policy: Policy, remote: Remote) -> Result<Verifier, SetupError> {
        let audiences = policy.audiences().to_vec();
        let (verifier, link) = Verifier::in_process(policy, remote, self.clock())?;
        let mut state = self.state();
        state.connect(link, &self.0.publisher());
        state.add_audiences(audiences);
        Ok(verifier)
    }

    /// Returns a verifier with the issuer's shared secret, for tokens with [`Algorithm::HS256`]. As in production, it does
    /// not check revocations.
    ///
    /// # Panics
    /// If the audience is empty.
    #[must_use]
    pub fn secret_verifier(&self, audience: &str) -> Verifier {
        let policy = self.policy(audience);
        self.state().add_audiences(policy.audiences().to_vec());
        Verifier::with_shared_secret(policy, SECRET).expect("it is long enough").with_clock(self.clock())
    }

    fn policy(&self, audience: &str) -> Policy {
        Policy::new(self.name(), [audience]).expect("neither the issuer nor the audience is empty")
    }

    /// Signs with new keys from now on. The former keys stay in the key set, so that their tokens are accepted until
    /// [`withdraw`](Self::withdraw).
    pub fn rotate(&self) {
        self.change(State::rotate);
    }

    /// Removes all former keys from the key set, so that their tokens are refused.
    pub fn withdraw(&self) {
        self.change(|state| state.former.clear());
    }

    /// Signs tokens and status lists with the key for `algorithm` from now on. The default is `ES256`.
    ///
    /// # Panics
    /// For [`Algorithm::HS256`], which has no key set: set it for single tokens with
    /// [`TestToken::algorithm`](super::TestToken::algorithm).
    pub fn sign_with(&self, algorithm: Algorithm) {
        assert!(algorithm != Algorithm::HS256, "a key set holds no secrets");
        self.change(|state| state.algorithm = algorithm);
    }

    /// Revokes one of its tokens, by setting its status in the status list.
    ///
    /// # Panics
    /// If the token has no index in the issuer's status list.
    pub fn revoke(&self, token: &str) {
        let payload = token.split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
        let claims: Option<Value> = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
        let index = claims.and_then(|claims| list::index_in(&claims, self.name()));
        let index = index.expect("a token of this issuer, with an index in its status list");
        self.change(|state| state.statuses.revoke(index));
    }

    /// Simulates an issuer that cannot be reached: its verifiers receive no changes, and use their keys and lists until
    /// these are too old.
    pub fn go_offline(&self) {
        self.state().go_offline();
    }

    /// Ends [`go_offline`](Self::go_offline).
    pub fn go_online(&self) {
        self.change(|state| state.offline = false);
    }

    /// Lets time pass. The keys and lists of its verifiers stay fresh, unless the issuer is [offline](Self::go_offline).
    ///
    /// The age of keys and lists also includes the time that the test itself takes. Tokens are only checked by this clock.
    pub fn advance(&self, by: Duration) {
        self.0.time.advance(by);
        self.change(|_| ());
    }

    /// Returns the clock of the issuer and its verifiers.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.0.time.clock()
    }

    /// Returns the key that it signs with.
    #[must_use]
    pub fn key(&self) -> TestKey {
        let algorithm = self.algorithm();
        self.key_of(algorithm)
    }

    /// Returns the key for `algorithm`; for [`Algorithm::HS256`], the shared secret.
    #[must_use]
    pub fn key_of(&self, algorithm: Algorithm) -> TestKey {
        self.state().key_of(algorithm).unwrap_or(&self.0.secret).clone()
    }

    /// Returns the key set (RFC 7517) as it is published, for other verifiers. It also has entries that must not be used:
    /// see [`Attack`](super::Attack) 25.
    #[must_use]
    pub fn key_set(&self) -> String {
        self.state().key_set()
    }

    /// Returns the URI of the status list and the signed list, as it is published.
    #[must_use]
    pub fn status_list(&self) -> (String, String) {
        (list::uri(self.name()), self.state().status_list(&self.0.publisher()))
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.state().algorithm
    }

    pub(super) fn odd_keys(&self) -> Vec<OddKey> {
        self.state().odd_keys.clone()
    }

    /// Assigns a number and an index in the status list to a new token.
    pub(super) fn register_token(&self) -> NewToken {
        let mut state = self.state();
        state.tokens += 1;
        let Assigned { index, grown } = state.statuses.assign();
        if grown {
            state.publish(&self.0.publisher());
        }
        NewToken { number: state.tokens, index }
    }

    /// Returns the audiences of all verifiers so far.
    pub(super) fn audiences(&self) -> Vec<String> {
        self.state().audiences.clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        state.publish(&self.0.publisher());
    }

    /// Locks the state. Nothing panics while it changes it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Issuer {
    fn publisher(&self) -> Publisher<'_> {
        Publisher { name: &self.name, clock: self.time.clock() }
    }
}

impl Default for TestIssuer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestIssuer({:?})", self.name())
    }
}
