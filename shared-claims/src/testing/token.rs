//! A token in words: good unless something else is said, and then whatever is said.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{issuer::TestIssuer, key::TestKey, list};
use crate::algorithm::Algorithm;

/// How long a token is good, in seconds.
const LIFE: u64 = 600;

/// A token that is being described; [`sign`](Self::sign) makes it. Begun by [`TestIssuer::token`].
///
/// It says what a good access token says (RFC 9068 section 2.2), and is meant for the audiences of all the verifiers that its
/// issuer has made so far. Each method changes one thing, without asking whether that makes sense.
///
/// ```
/// # use {serde_json::json, shared_claims::{testing::{TestIssuer, TestKey}, verifier::Algorithm}};
/// let issuer = TestIssuer::new();
/// let orders = issuer.verifier("orders");
/// let code = |token: &str| orders.verify_known(token).map_err(|refusal| refusal.code());
///
/// let alice = || issuer.token("alice");
/// let good = alice().scope("orders:read").role("admin").claim("tenant", "blue").algorithm(Algorithm::EdDSA).sign();
/// assert!(code(&good)?.has_role("admin"));
///
/// assert_eq!(code(&alice().expired().sign()).unwrap_err(), "expired");
/// assert_eq!(code(&alice().audience("billing").sign()).unwrap_err(), "audience");
/// assert_eq!(code(&alice().without("exp").sign()).unwrap_err(), "malformed");
/// assert_eq!(code(&alice().header("crit", json!(["exp"])).sign()).unwrap_err(), "malformed");
/// assert_eq!(code(&alice().signed_by(&TestKey::es256("made up")).sign()).unwrap_err(), "unknown_key");
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it is not a token until it is signed"]
pub struct TestToken<'a> {
    pub(super) issuer: &'a TestIssuer,
    key: Option<TestKey>,
    /// What is said of the header; `None` takes a member away.
    header: Vec<(String, Option<Value>)>,
    claims: Map<String, Value>,
    /// Nobody has said for whom it is meant.
    for_all: bool,
    now: u64,
}

impl TestIssuer {
    /// Begins a token about `subject`, good unless something else is said.
    pub fn token(&self, subject: &str) -> TestToken<'_> {
        TestToken::new(self, subject)
    }
}

impl<'a> TestToken<'a> {
    pub(super) fn new(issuer: &'a TestIssuer, subject: &str) -> Self {
        let (number, place) = issuer.give_place();
        let now = issuer.clock().now();
        let claims = [
            ("iss", json!(issuer.name())),
            ("sub", json!(subject)),
            ("aud", json!([])),
            ("exp", json!(now + LIFE)),
            ("iat", json!(now)),
            ("nbf", json!(now)),
            ("auth_time", json!(now)),
            ("jti", json!(format!("token-{number}"))),
            ("sid", json!(format!("session-{number}"))),
            ("client_id", json!("test-client")),
            ("username", json!(subject)),
            ("scope", json!("")),
            ("roles", json!([])),
            ("status", json!({"status_list": {"idx": place, "uri": list::uri(issuer.name())}})),
        ];
        let claims = claims.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        Self { issuer, key: None, header: Vec::new(), claims, for_all: true, now }
    }

    /// Has this scope too.
    pub fn scope(self, scope: &str) -> Self {
        let scopes = match self.claims.get("scope").and_then(Value::as_str) {
            None | Some("") => scope.to_owned(),
            Some(others) => format!("{others} {scope}"),
        };
        self.claim("scope", scopes)
    }

    /// Has this role too.
    pub fn role(self, role: &str) -> Self {
        let others = self.claims.get("roles").and_then(Value::as_array);
        let roles = others.into_iter().flatten().cloned().chain([json!(role)]).collect::<Vec<_>>();
        self.claim("roles", roles)
    }

    /// Is meant for this audience and no other.
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", json!([audience]))
    }

    /// Expires so long from now.
    pub fn expires_in(self, life: Duration) -> Self {
        let exp = self.now.saturating_add(life.as_secs());
        self.claim("exp", exp)
    }

    /// Has expired, and no leeway helps.
    pub fn expired(self) -> Self {
        let now = self.now;
        self.issued_at(now.saturating_sub(2 * LIFE)).claim("exp", now.saturating_sub(LIFE))
    }

    /// Was issued then, in seconds since 1970, and is good since then. When it expires, and when the user logged in
    /// (`auth_time`), stays as it is.
    pub fn issued_at(self, seconds: u64) -> Self {
        self.claim("iat", seconds).claim("nbf", seconds)
    }

    /// Has this claim, whatever that means.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.for_all &= name != "aud";
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Lacks this claim.
    pub fn without(mut self, name: &str) -> Self {
        self.for_all &= name != "aud";
        self.claims.remove(name);
        self
    }

    /// Has this member in its header, whatever that means.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Lacks this member of its header.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.push((name.to_owned(), None));
        self
    }

    /// Is signed by this key, the issuer's or not, and says so: to name another one, set the [`header`](Self::header)'s
    /// `kid`.
    pub fn signed_by(mut self, key: &TestKey) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// Is signed by the issuer's key for this algorithm.
    pub fn algorithm(self, algorithm: Algorithm) -> Self {
        let key = self.issuer.key_of(algorithm);
        self.signed_by(&key)
    }

    /// The token.
    ///
    /// # Panics
    /// When it is not said for whom it is meant, and its issuer has no verifier either.
    #[must_use]
    pub fn sign(&self) -> String {
        let key = self.key();
        key.compact(self.header_of(&key).to_string(), self.claims().to_string())
    }

    pub(super) fn key(&self) -> TestKey {
        self.key.clone().unwrap_or_else(|| self.issuer.key())
    }

    /// The header as it is when `key` signs.
    pub(super) fn header_of(&self, key: &TestKey) -> Value {
        let mut header = key.header();
        for (name, value) in &self.header {
            match (value, header.as_object_mut()) {
                (None, Some(members)) => drop(members.remove(name)),
                (Some(value), _) => header[name] = value.clone(),
                (None, None) => {}
            }
        }
        header
    }

    pub(super) fn claims(&self) -> Value {
        let mut claims = self.claims.clone();
        if self.for_all {
            let audiences = self.issuer.audiences();
            assert!(!audiences.is_empty(), "say `.audience(…)`, or make a verifier first");
            claims.insert("aud".to_owned(), json!(audiences));
        }
        Value::Object(claims)
    }

    pub(super) fn now(&self) -> u64 {
        self.now
    }
}
