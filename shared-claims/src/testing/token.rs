//! A builder for tokens, which are valid unless a method changes that.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    issuer::{NewToken, TestIssuer},
    key::TestKey,
    list,
};
use crate::algorithm::Algorithm;

/// The default lifetime, in seconds.
const LIFE: u64 = 600;

/// A builder for a token, started with [`TestIssuer::token`] and finished with [`sign`](Self::sign).
///
/// By default it has the claims of a valid access token (RFC 9068 section 2.2), and the audiences of all verifiers that its
/// issuer has created so far. Each method changes one thing, whether or not the result is valid.
///
/// ```
/// # use {serde_json::json, shared_claims::{testing::{TestIssuer, TestKey}, verifier::Algorithm}};
/// let issuer = TestIssuer::new();
/// let orders = issuer.verifier("orders");
/// let code = |token: &str| orders.verify_now(token).map_err(|refusal| refusal.code());
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
    /// Changes to the header; `None` removes a member.
    header: Vec<(String, Option<Value>)>,
    claims: Map<String, Value>,
    /// No audience was set.
    for_all: bool,
    now: u64,
}

impl TestIssuer {
    /// Starts a token for `subject`.
    pub fn token(&self, subject: &str) -> TestToken<'_> {
        TestToken::new(self, subject)
    }
}

impl<'a> TestToken<'a> {
    pub(super) fn new(issuer: &'a TestIssuer, subject: &str) -> Self {
        let NewToken { number, index } = issuer.register_token();
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
            ("status", json!({"status_list": {"idx": index, "uri": list::uri(issuer.name())}})),
        ];
        let claims = claims.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        Self { issuer, key: None, header: Vec::new(), claims, for_all: true, now }
    }

    /// Adds a scope.
    pub fn scope(self, scope: &str) -> Self {
        let scopes = match self.claims.get("scope").and_then(Value::as_str) {
            None | Some("") => scope.to_owned(),
            Some(others) => format!("{others} {scope}"),
        };
        self.claim("scope", scopes)
    }

    /// Adds a role.
    pub fn role(self, role: &str) -> Self {
        let others = self.claims.get("roles").and_then(Value::as_array);
        let roles = others.into_iter().flatten().cloned().chain([json!(role)]).collect::<Vec<_>>();
        self.claim("roles", roles)
    }

    /// Sets the only audience.
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", json!([audience]))
    }

    /// Sets the expiry to `life` from now.
    pub fn expires_in(self, life: Duration) -> Self {
        let exp = self.now.saturating_add(life.as_secs());
        self.claim("exp", exp)
    }

    /// Sets an expiry in the past, beyond any leeway.
    pub fn expired(self) -> Self {
        let now = self.now;
        self.issued_at(now.saturating_sub(2 * LIFE)).claim("exp", now.saturating_sub(LIFE))
    }

    /// Sets `iat` and `nbf`, in seconds since 1970. The expiry and the time of the login (`auth_time`) stay the same.
    pub fn issued_at(self, seconds: u64) -> Self {
        self.claim("iat", seconds).claim("nbf", seconds)
    }

    /// Sets any claim.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.for_all &= name != "aud";
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a claim.
    pub fn without(mut self, name: &str) -> Self {
        self.for_all &= name != "aud";
        self.claims.remove(name);
        self
    }

    /// Sets any member of the header.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Removes a member of the header.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.push((name.to_owned(), None));
        self
    }

    /// Signs with this key, which need not be the issuer's, and names it in the header. To name another key, set the `kid`
    /// with [`header`](Self::header).
    pub fn signed_by(mut self, key: &TestKey) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// Signs with the issuer's key for this algorithm.
    pub fn algorithm(self, algorithm: Algorithm) -> Self {
        let key = self.issuer.key_of(algorithm);
        self.signed_by(&key)
    }

    /// Returns the token.
    ///
    /// # Panics
    /// If no audience was set and the issuer has no verifier.
    #[must_use]
    pub fn sign(&self) -> String {
        let key = self.key();
        key.compact(self.header_of(&key).to_string(), self.claims().to_string())
    }

    pub(super) fn key(&self) -> TestKey {
        self.key.clone().unwrap_or_else(|| self.issuer.key())
    }

    /// Returns the header for a signature with `key`.
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
            assert!(!audiences.is_empty(), "set `.audience(…)`, or create a verifier first");
            claims.insert("aud".to_owned(), json!(audiences));
        }
        Value::Object(claims)
    }

    pub(super) fn now(&self) -> u64 {
        self.now
    }
}
