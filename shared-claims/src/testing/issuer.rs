//! The issuer: its keys, its clock, its status list, and who hears of them.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{
    key::TestKey,
    list,
    odd_keys::OddKey,
    published::{Place, State},
};
use crate::{
    algorithm::Algorithm,
    clock::{Clock, ManualClock},
    error::setup::SetupError,
    policy::Policy,
    remote::Remote,
    verifier::Verifier,
};

/// The issuer's name, unless a test gives another one.
const NAME: &str = "https://issuer.test";
/// When tests happen, unless one brings its own clock: in January 2027.
const START: u64 = 1_800_000_000;
const SECRET: &[u8] = b"the secret that a test issuer and its verifiers share";

/// An issuer in the test's own process: no server, no port, no runtime, no sleep. Cheap to clone; all clones are the same
/// issuer.
///
/// A verifier of [`verifier`](Self::verifier) is the one that production has: what the issuer publishes, a key set and a
/// signed status list, goes the way of what was fetched, at once. Time stands still until [`advance`](Self::advance).
///
/// ```
/// use std::time::Duration;
/// use shared_claims::{error::Refusal, testing::TestIssuer};
///
/// let issuer = TestIssuer::new();
/// let orders = issuer.verifier("orders");
/// let token = issuer.token("alice").scope("orders:read").expires_in(Duration::from_secs(60)).sign();
/// assert_eq!(orders.verify_known(&token)?.sub, "alice");
///
/// issuer.advance(Duration::from_secs(60 + 30)); // the leeway is 30 seconds
/// assert_eq!(orders.verify_known(&token).unwrap_err(), Refusal::Expired);
///
/// let another = issuer.token("alice").sign();
/// issuer.revoke(&another);
/// assert_eq!(orders.verify_known(&another).unwrap_err(), Refusal::Revoked);
/// # Ok::<(), Refusal>(())
/// ```
#[derive(Clone)]
pub struct TestIssuer(Arc<Issuer>);

struct Issuer {
    name: String,
    time: ManualClock,
    secret: TestKey,
    state: Mutex<State>,
}

impl TestIssuer {
    /// An issuer with new keys, that goes by the name of `https://issuer.test`.
    #[must_use]
    pub fn new() -> Self {
        Self::named(NAME)
    }

    /// An issuer of this name, which is the `iss` of its tokens.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::with_clock(name, &ManualClock::at(START))
    }

    /// An issuer whose clock is also somebody else's. Then too, move time by the issuer: else what its verifiers know grows
    /// older, as it does while the issuer is away.
    #[must_use]
    pub fn with_clock(name: &str, time: &ManualClock) -> Self {
        let (name, time, secret) = (name.to_owned(), time.clone(), TestKey::hs256(SECRET));
        Self(Arc::new(Issuer { name, time, secret, state: Mutex::new(State::new()) }))
    }

    /// The `iss` of its tokens.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// A verifier of tokens for `audience`, which judges by the issuer's keys, clock and revocations, and hears of changes
    /// at once. [`Verifier::start`] has nothing to do for it.
    ///
    /// # Panics
    /// When the audience is empty, or the issuer's name is no URL of an issuer.
    #[must_use]
    pub fn verifier(&self, audience: &str) -> Verifier {
        let policy = self.policy(audience);
        self.verifier_with(policy, Remote::discover()).expect("the issuer's name is a URL")
    }

    /// The same with a policy of one's own, and with the settings of `remote` about what is kept and for how long; nothing
    /// is fetched from where they say.
    ///
    /// # Errors
    /// As [`Verifier::remote`].
    pub fn verifier_with(&self, policy: Policy, remote: Remote) -> Result<Verifier, SetupError> {
        let audiences = policy.audiences().to_vec();
        let (verifier, line) = Verifier::in_process(policy, remote, self.clock())?;
        let mut state = self.state();
        state.connect(line, &self.0.place());
        state.know(audiences);
        Ok(verifier)
    }

    /// A verifier by the secret that the issuer shares, for tokens of [`Algorithm::HS256`]. As in production it hears of
    /// no revocation.
    ///
    /// # Panics
    /// When the audience is empty.
    #[must_use]
    pub fn secret_verifier(&self, audience: &str) -> Verifier {
        let policy = self.policy(audience);
        self.state().know(policy.audiences().to_vec());
        Verifier::with_shared_secret(policy, SECRET).expect("it is long enough").with_clock(self.clock())
    }

    fn policy(&self, audience: &str) -> Policy {
        Policy::new(self.name(), [audience]).expect("neither the issuer nor the audience is empty")
    }

    /// Signs with new keys from now on. The former ones stay in the key set: tokens signed by them are good until
    /// [`withdraw`](Self::withdraw).
    pub fn rotate(&self) {
        self.change(State::rotate);
    }

    /// Takes all former keys out of the key set, and what they signed is refused.
    pub fn withdraw(&self) {
        self.change(|state| state.former.clear());
    }

    /// Signs tokens and status lists with its key for `algorithm` from now on; at first that is `ES256`.
    ///
    /// # Panics
    /// For [`Algorithm::HS256`], which has no key set; say it token by token.
    pub fn sign_with(&self, algorithm: Algorithm) {
        assert!(algorithm != Algorithm::HS256, "a key set holds no secrets");
        self.change(|state| state.algorithm = algorithm);
    }

    /// Revokes a token that it made: sets its place in the status list.
    ///
    /// # Panics
    /// When the token has no place in the issuer's list.
    pub fn revoke(&self, token: &str) {
        let payload = token.split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
        let claims: Option<Value> = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
        let place = claims.and_then(|claims| list::place_in(&claims, self.name()));
        let place = place.expect("a token of this issuer, with a place in its status list");
        self.change(|state| state.places.revoke(place));
    }

    /// Cannot be reached from now on: its verifiers learn nothing new and go on by what they know, until that is too old.
    pub fn go_away(&self) {
        self.state().go_away();
    }

    /// Can be reached again.
    pub fn come_back(&self) {
        self.change(|state| state.away = false);
    }

    /// Lets time pass. Its verifiers are as fresh as before, unless the issuer is [away](Self::go_away).
    /// (How old keys and lists are, the time that the test takes itself adds to; what tokens say is judged by this clock alone.)
    pub fn advance(&self, by: Duration) {
        self.0.time.advance(by);
        self.change(|_| ());
    }

    /// The clock that all of this goes by.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.0.time.clock()
    }

    /// The key that signs.
    #[must_use]
    pub fn key(&self) -> TestKey {
        let algorithm = self.algorithm();
        self.key_of(algorithm)
    }

    /// The key for `algorithm`; for [`Algorithm::HS256`] it is the shared secret.
    #[must_use]
    pub fn key_of(&self, algorithm: Algorithm) -> TestKey {
        self.state().key_of(algorithm).unwrap_or(&self.0.secret).clone()
    }

    /// The key set (RFC 7517) as it is published, for verifiers other than this crate's. It also holds entries that none
    /// may use: see [`Attack`](super::Attack) 25.
    #[must_use]
    pub fn key_set(&self) -> String {
        self.state().key_set()
    }

    /// The status list as it is published: its URI, and the signed token.
    #[must_use]
    pub fn status_list(&self) -> (String, String) {
        (list::uri(self.name()), self.state().status_list(&self.0.place()))
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.state().algorithm
    }

    pub(super) fn odd_keys(&self) -> Vec<OddKey> {
        self.state().odd_keys.clone()
    }

    /// A number that no other token has, and a place in the list.
    pub(super) fn give_place(&self) -> (u64, usize) {
        let mut state = self.state();
        state.tokens += 1;
        let (place, grown) = state.places.give();
        if grown {
            state.publish(&self.0.place());
        }
        (state.tokens, place)
    }

    /// The audiences of all verifiers so far.
    pub(super) fn audiences(&self) -> Vec<String> {
        self.state().audiences.clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        state.publish(&self.0.place());
    }

    /// Nothing panics halfway through a change.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Issuer {
    fn place(&self) -> Place<'_> {
        Place { name: &self.name, clock: self.time.clock() }
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
