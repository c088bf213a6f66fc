//! The path of a token. The cheapest checks come first: form, header, key by `kid`, the key's own algorithm, signature, then
//! the claims, and finally the status. Nothing on it locks or waits, except that an unknown `kid` or status list may wait for
//! one fetch.

use aws_lc_rs::hmac;
use serde::Deserialize;

use super::verifier::{Keys, Verifier};
#[cfg(feature = "remote")]
use crate::remote::refresher::{Deadline, Refresher};
use crate::{
    algorithm::Algorithm,
    claims::standard::Claims,
    error::refusal::Refusal,
    jws::{ACCESS_TOKEN, Unverified},
    observer::SharedObserver,
    strict,
    token::{AccessToken, Verified},
};

/// Whether an expired token is refused.
#[derive(Clone, Copy, PartialEq)]
enum Expiry {
    Checked,
    Ignored,
}

impl Verifier {
    /// Verifies a token. For a token in the cache, only expiry, revocation and its key are checked again.
    ///
    /// A token whose key and status list are known never waits. With remote keys, other tokens wait up to one second for a
    /// fetch that all such requests share; after it, requests cause no fetch for 10 seconds.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] if there are no usable keys or no usable status list, or if the key is unknown and the issuer
    /// cannot be reached. Any other refusal says what is wrong with the token.
    #[cfg_attr(
        not(feature = "remote"),
        expect(clippy::unused_async, reason = "only remote keys are waited for")
    )]
    pub async fn verify(&self, token: &str) -> Result<AccessToken, Refusal> {
        let cached = self.all().find_map(|verifier| verifier.cached_result(token));
        if let Some(cached) = cached {
            return self.observe(token, true, cached);
        }
        let verifier = self.verifier_for(token);
        #[cfg(feature = "remote")]
        if let Some(refresher) = &verifier.shared.refresher {
            return self.observe(token, false, verifier.verify_with_wait(token, refresher).await);
        }
        self.observe(token, false, verifier.verify_uncached(token))
    }

    #[cfg(feature = "remote")]
    async fn verify_with_wait(&self, text: &str, refresher: &Refresher) -> Result<AccessToken, Refusal> {
        let mut result = self.verify_claims(text, Expiry::Checked);
        let (mut deadline, mut fetched) = (None, true);
        if let Err(Refusal::UnknownKey | Refusal::Unavailable) = result {
            fetched = refresher.wait_for_keys(*deadline.insert(Deadline::begin())).await;
            // Even if nothing was fetched: another request's fetch may have ended in between.
            result = self.verify_claims(text, Expiry::Checked);
        }
        let token = result.map_err(|refusal| match refusal {
            // The key may be a new one, and the issuer is slow or unreachable: that is not the token's fault.
            Refusal::UnknownKey if !fetched || refresher.trouble().is_some() => Refusal::Unavailable,
            other => other,
        })?;
        let mut status = self.check_status(&token);
        if let (Err(Refusal::Unavailable), Some(named)) = (&status, &token.claims.status) {
            let deadline = deadline.unwrap_or_else(Deadline::begin);
            refresher.wait_for_list(&named.status_list, deadline).await;
            status = self.check_status(&token);
        }
        status.map(|()| self.cache_token(text, token))
    }

    /// Verifies a token with the keys and status lists in memory, without waiting for a fetch.
    ///
    /// With remote keys, a token whose key or status list is unknown is reported neither to the
    /// [observer](Self::with_observer) nor to the log, because [`verify`](Self::verify) would fetch it.
    ///
    /// # Errors
    /// The same as [`verify`](Self::verify).
    pub fn verify_now(&self, token: &str) -> Result<AccessToken, Refusal> {
        let cached = self.all().find_map(|verifier| verifier.cached_result(token));
        if let Some(cached) = cached {
            return self.observe(token, true, cached);
        }
        let verifier = self.verifier_for(token);
        let result = verifier.verify_uncached(token);
        #[cfg(feature = "remote")]
        if let (Some(_), Err(Refusal::UnknownKey | Refusal::Unavailable)) =
            (&verifier.shared.refresher, &result)
        {
            return result;
        }
        self.observe(token, false, result)
    }

    fn verify_uncached(&self, text: &str) -> Result<AccessToken, Refusal> {
        let verified = self.verify_claims(text, Expiry::Checked)?;
        self.check_status(&verified).map(|()| self.cache_token(text, verified))
    }

    /// Reports the result to the observer, if there is one, and a refusal to the log.
    fn observe(
        &self,
        text: &str,
        cached: bool,
        result: Result<AccessToken, Refusal>,
    ) -> Result<AccessToken, Refusal> {
        if let Some(SharedObserver(observer)) = &self.observer {
            match &result {
                Ok(token) => observer.verified(token, cached),
                Err(refusal) => observer.refused(refusal),
            }
        }
        if let Err(refusal) = &result {
            self.verifier_for(text).report(text, refusal);
        }
        result
    }

    /// Returns the result for a cached token; `None` if it has to be verified again.
    fn cached_result(&self, text: &str) -> Option<Result<AccessToken, Refusal>> {
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
        match self.check_cached_status(verified, now) {
            Ok(()) => Some(Ok(token.at(now))),
            Err(Refusal::Revoked) => Some(Err(Refusal::Revoked)),
            Err(_) => None, // the list is gone or too old
        }
    }

    /// Stores a verified token in the cache, if all that can change about it can be checked later.
    fn cache_token(&self, text: &str, verified: Verified) -> AccessToken {
        #[cfg(feature = "remote")]
        let (verified, complete) = self.with_status_entry(verified);
        #[cfg(not(feature = "remote"))]
        let complete = true;
        let token = AccessToken::new(verified, self.clock.now());
        if let Some(cache) = self.shared.cache.as_ref().filter(|_| complete) {
            cache.put(text, &token);
        }
        token
    }

    /// Verifies a token like [`verify_now`](Self::verify_now), but accepts one that has expired or was revoked: its status is
    /// not checked. Use it for logout only, where such a token still names the session to end. It must not give access to
    /// anything.
    ///
    /// # Errors
    /// The same as [`verify`](Self::verify), except for [`Refusal::Expired`] and [`Refusal::Revoked`].
    pub fn verify_expired(&self, token: &str) -> Result<AccessToken, Refusal> {
        let verifier = self.verifier_for(token);
        let result = verifier.verify_claims(token, Expiry::Ignored);
        let claims = result.inspect_err(|refusal| verifier.report(token, refusal))?;
        Ok(AccessToken::new(claims, verifier.clock.now()))
    }

    /// Returns the verifier of the issuer that the token claims to be from; the first one if there is no match.
    fn verifier_for(&self, text: &str) -> &Self {
        if self.others.is_empty() {
            return self;
        }
        let issuer = Unverified::parse(text, &ACCESS_TOKEN).ok().and_then(|token| issuer_of(&token.payload));
        issuer.and_then(|issuer| self.all().find(|verifier| verifier.issuer() == issuer)).unwrap_or(self)
    }

    /// Checks everything except the status.
    fn verify_claims(&self, token: &str, expiry: Expiry) -> Result<Verified, Refusal> {
        let token = Unverified::parse(token, &ACCESS_TOKEN)?;
        let generation = self.check_signature(&token)?;
        let claims = read_claims(&token.payload)?;
        let (policy, now) = (&self.shared.policy, self.clock.now());
        policy.check(&claims, now)?;
        self.shared.faults.note_audience_matched();
        if expiry == Expiry::Checked {
            policy.check_expiry(&claims, now)?;
        }
        let lifetime = policy.lifetime(&claims);
        Ok(Verified::new(claims, policy.shared_realm(), token.payload, generation, lifetime))
    }

    /// Returns the generation of the keys that the signature was checked with.
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
}

/// Reads the issuer of an unverified token, only to choose its verifier.
pub(super) fn issuer_of(payload: &[u8]) -> Option<String> {
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
