//! The policy of a service: the issuer, audiences, algorithms and leeway that it accepts.
//!
//! Checks can be tuned, but not switched off.

use std::{ops::Range, sync::Arc, time::Duration};

use crate::{
    algorithm::Algorithm,
    claims::standard::Claims,
    error::{refusal::Refusal, setup::SetupError},
    http::bearer::Realm,
};

const DEFAULT_ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256];
const DEFAULT_LEEWAY: u64 = 30;
const MAX_LEEWAY: u64 = 300;
const DEFAULT_CACHED_TOKENS: usize = 10_000;

/// The requirements that a token must meet to be accepted (RFC 9068 section 4).
///
/// ```
/// # use {shared_claims::{Policy, verifier::Algorithm}, std::time::Duration};
/// let policy = Policy::new("https://auth.example.com", ["orders"])?
///     .algorithms(&[Algorithm::ES256])?
///     .leeway(Duration::from_secs(5))?;
/// # Ok::<(), shared_claims::error::SetupError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    issuer: String,
    audiences: Vec<String>,
    algorithms: Vec<Algorithm>,
    leeway: u64,
    realm: Arc<Realm>,
    cached_tokens: usize,
}

impl Policy {
    /// Accepts tokens whose `iss` equals `issuer` to the letter, and whose `aud` names at least one of `audiences`.
    ///
    /// By default ES256, `EdDSA` and RS256 are accepted, and clocks may differ by 30 seconds.
    ///
    /// # Errors
    /// If the issuer is empty, or if there is no audience or one is empty.
    pub fn new<I>(issuer: impl Into<String>, audiences: I) -> Result<Self, SetupError>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let issuer = issuer.into();
        let audiences: Vec<String> = audiences.into_iter().map(Into::into).collect();
        if issuer.is_empty() {
            return Err(SetupError::NoIssuer);
        }
        match audiences.first() {
            Some(first) if audiences.iter().all(|audience| !audience.is_empty()) => Ok(Self {
                realm: Arc::new(Realm::new(first)),
                algorithms: DEFAULT_ALGORITHMS.to_vec(),
                leeway: DEFAULT_LEEWAY,
                cached_tokens: DEFAULT_CACHED_TOKENS,
                issuer,
                audiences,
            }),
            _ => Err(SetupError::NoAudience),
        }
    }

    /// Sets the accepted algorithms. A verifier with a shared secret ignores this and accepts HS256 only.
    ///
    /// # Errors
    /// [`SetupError::Algorithms`] if the list is empty or contains HS256.
    pub fn algorithms(mut self, algorithms: &[Algorithm]) -> Result<Self, SetupError> {
        if algorithms.is_empty() || algorithms.contains(&Algorithm::HS256) {
            return Err(SetupError::Algorithms);
        }
        self.algorithms = algorithms.to_vec();
        Ok(self)
    }

    /// Sets how far the clocks of issuer and verifier may differ, in whole seconds.
    ///
    /// # Errors
    /// [`SetupError::Leeway`] if it is more than 300 seconds.
    pub fn leeway(mut self, leeway: Duration) -> Result<Self, SetupError> {
        if leeway > Duration::from_secs(MAX_LEEWAY) {
            return Err(SetupError::Leeway);
        }
        self.leeway = leeway.as_secs();
        Ok(self)
    }

    /// Sets the `realm` of challenges (RFC 9110 section 11.5); by default the first audience.
    #[must_use]
    pub fn realm(mut self, realm: &str) -> Self {
        Arc::make_mut(&mut self.realm).name = realm.into();
        self
    }

    /// Sets the URL of this service's metadata (RFC 9728), which every challenge names:
    /// [`ResourceMetadata::url`](crate::http::ResourceMetadata::url).
    #[must_use]
    pub fn resource_metadata(mut self, url: &str) -> Self {
        Arc::make_mut(&mut self.realm).metadata = Some(url.to_owned());
        self
    }

    /// Sets how many verified tokens are cached, so that they need not be verified again; 10,000 by default, of 1.9 KiB each.
    /// 0 turns the cache off. Expiry, revocation and the key of a cached token are still checked at each use.
    #[must_use]
    pub fn cached_tokens(mut self, tokens: usize) -> Self {
        self.cached_tokens = tokens;
        self
    }

    pub(crate) fn cache_size(&self) -> usize {
        self.cached_tokens
    }

    /// Returns the issuer whose tokens are accepted.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn audiences(&self) -> &[String] {
        &self.audiences
    }

    pub(crate) fn shared_realm(&self) -> &Arc<Realm> {
        &self.realm
    }

    /// Returns how far the clocks may differ, in seconds.
    pub(crate) fn leeway_secs(&self) -> u64 {
        self.leeway
    }

    pub(crate) fn accepted(&self) -> &[Algorithm] {
        &self.algorithms
    }

    pub(crate) fn accepts(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Checks all claims except `exp`, at `now` in seconds since 1970.
    pub(crate) fn check(&self, claims: &Claims, now: u64) -> Result<(), Refusal> {
        let latest = now.saturating_add(self.leeway);
        if claims.iss != self.issuer {
            Err(Refusal::Issuer)
        } else if !claims.aud.iter().any(|audience| self.audiences.contains(audience)) {
            Err(Refusal::Audience)
        } else if claims.iat > latest || claims.nbf.is_some_and(|nbf| nbf > latest) {
            Err(Refusal::NotYetValid)
        } else {
            Ok(())
        }
    }

    /// Returns when these claims are valid, leeway included.
    pub(crate) fn lifetime(&self, claims: &Claims) -> Range<u64> {
        let begins = claims.iat.max(claims.nbf.unwrap_or(0)).saturating_sub(self.leeway);
        begins..claims.exp.saturating_add(self.leeway)
    }

    /// Checks `exp`: a token is valid only before it (RFC 7519 section 4.1.4).
    pub(crate) fn check_expiry(&self, claims: &Claims, now: u64) -> Result<(), Refusal> {
        if now < claims.exp.saturating_add(self.leeway) { Ok(()) } else { Err(Refusal::Expired) }
    }
}
