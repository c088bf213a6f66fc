//! The path of a token: cheapest and least trusting first, form, header, key by `kid`, the key's own algorithm, signature,
//! then the claims, and at last the status. Nothing on it locks or waits, save that an unknown `kid` or status list may wait
//! for one fetch.

use aws_lc_rs::hmac;
use serde::Deserialize;

use super::verifier::{Keys, Verifier};
#[cfg(feature = "remote")]
use crate::remote::refresher::{Patience, Refresher};
use crate::{
    algorithm::Algorithm,
    claims::standard::Claims,
    error::refusal::Refusal,
    jws::{ACCESS_TOKEN, Unverified},
    observer::Watch,
    strict,
    token::{AccessToken, Verified},
};

/// Whether `exp` counts.
#[derive(Clone, Copy, PartialEq)]
enum Expiry {
    Checked,
    Ignored,
}

impl Verifier {
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
            return self.seen(token, true, recalled);
        }
        let judge = self.judge_of(token);
        #[cfg(feature = "remote")]
        if let Some(refresher) = &judge.shared.refresher {
            return self.seen(token, false, judge.verify_patiently(token, refresher).await);
        }
        self.seen(token, false, judge.verify_anew(token))
    }

    #[cfg(feature = "remote")]
    async fn verify_patiently(&self, text: &str, refresher: &Refresher) -> Result<AccessToken, Refusal> {
        let mut judged = self.examine(text, Expiry::Checked);
        let (mut patience, mut fetched) = (None, true);
        if let Err(Refusal::UnknownKey | Refusal::Unavailable) = judged {
            fetched = refresher.wait_for_keys(*patience.insert(Patience::begin())).await;
            // Also when nothing was fetched: another request's fetch may have ended in between.
            judged = self.examine(text, Expiry::Checked);
        }
        let token = judged.map_err(|refusal| match refusal {
            // The key may be a new one that the issuer, slow or out of reach, cannot tell us of: that is not the token's
            // fault.
            Refusal::UnknownKey if !fetched || refresher.trouble().is_some() => Refusal::Unavailable,
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
    /// [observer](Self::observed_by) is not told of a key or a list that is not known, and neither is the log: [`verify`](Self::verify) would wait
    /// for it.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_known(&self, token: &str) -> Result<AccessToken, Refusal> {
        let recalled = self.all().find_map(|verifier| verifier.recall(token));
        if let Some(recalled) = recalled {
            return self.seen(token, true, recalled);
        }
        let judge = self.judge_of(token);
        let judged = judge.verify_anew(token);
        #[cfg(feature = "remote")]
        if let (Some(_), Err(Refusal::UnknownKey | Refusal::Unavailable)) = (&judge.shared.refresher, &judged)
        {
            return judged;
        }
        self.seen(token, false, judged)
    }

    fn verify_anew(&self, text: &str) -> Result<AccessToken, Refusal> {
        let verified = self.examine(text, Expiry::Checked)?;
        self.check_status(&verified).map(|()| self.remember(text, verified))
    }

    /// Tells the observer, if there is one, and of a refusal the log.
    fn seen(
        &self,
        text: &str,
        remembered: bool,
        judged: Result<AccessToken, Refusal>,
    ) -> Result<AccessToken, Refusal> {
        if let Some(Watch(observer)) = &self.observer {
            match &judged {
                Ok(token) => observer.verified(token, remembered),
                Err(refusal) => observer.refused(refusal),
            }
        }
        if let Err(refusal) = &judged {
            self.judge_of(text).report(text, refusal);
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
        let judged = judge.examine(token, Expiry::Ignored);
        let verified = judged.inspect_err(|refusal| judge.report(token, refusal))?;
        Ok(AccessToken::new(verified, judge.clock.now()))
    }

    /// Whose token it is by its own word, where there is a choice; the first one's when that cannot be told.
    fn judge_of(&self, text: &str) -> &Self {
        if self.others.is_empty() {
            return self;
        }
        let issuer = Unverified::parse(text, &ACCESS_TOKEN).ok().and_then(|token| issuer_of(&token.payload));
        issuer.and_then(|issuer| self.all().find(|verifier| verifier.issuer() == issuer)).unwrap_or(self)
    }

    /// Everything but the status.
    fn examine(&self, token: &str, expiry: Expiry) -> Result<Verified, Refusal> {
        let token = Unverified::parse(token, &ACCESS_TOKEN)?;
        let generation = self.check_signature(&token)?;
        let claims = read_claims(&token.payload)?;
        let (policy, now) = (&self.shared.policy, self.clock.now());
        policy.check(&claims, now)?;
        self.shared.faults.audience_matches();
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
}

/// Before anything is verified: only to know who is to verify it.
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
