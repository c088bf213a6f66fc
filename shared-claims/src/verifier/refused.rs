//! What is logged when a token is refused: the reason, at `debug`, and a warning about what an operator has to correct.

use super::{explain::Explanation, verifier::Verifier, verify::issuer_of};
use crate::{
    clock::Instant,
    error::refusal::Refusal,
    jws::{ACCESS_TOKEN, Unverified},
    shown::Shown,
};

impl Verifier {
    /// Logs that this verifier refused the token `text`.
    #[cold]
    pub(super) fn report(&self, text: &str, refusal: &Refusal) {
        log::debug!("a token is refused: {}", Explanation { verifier: self, text, refusal });
        self.warn_of_faults(text, refusal, self.clock.instant());
    }

    fn warn_of_faults(&self, text: &str, refusal: &Refusal, now: Instant) {
        match refusal {
            Refusal::Malformed(_) => self.warn_of_length(text, now),
            Refusal::Issuer | Refusal::UnknownKey => self.warn_of_issuer(text, now),
            Refusal::Audience => self.warn_of_audience(text, now),
            Refusal::NotYetValid => self.warn_of_clock(text, now),
            Refusal::Unavailable => self.warn_if_not_started(now),
            _ => {}
        }
    }

    fn warn_of_length(&self, text: &str, now: Instant) {
        let longest = ACCESS_TOKEN.longest();
        if text.len() > longest && self.shared.faults.too_long.allows(now) {
            log::warn!(
                "a token of {} bytes was refused unread: the limit is {longest}. If it is genuine, the issuer puts too much \
                 into it, such as roles",
                text.len()
            );
        }
    }

    /// An unknown key may belong to an issuer whose name differs from the configured one.
    fn warn_of_issuer(&self, text: &str, now: Instant) {
        let faults = &self.shared.faults;
        if !faults.issuer_never_matched() {
            return;
        }
        let said = Unverified::parse(text, &ACCESS_TOKEN).ok().and_then(|token| issuer_of(&token.payload));
        if let Some(said) = said.filter(|said| said != self.issuer())
            && faults.issuer.allows(now)
        {
            log::warn!(
                "no token so far was of the issuer {}; the latest one names {}. Both must be equal to the letter",
                Shown(self.issuer()),
                Shown(said)
            );
        }
    }

    fn warn_of_audience(&self, text: &str, now: Instant) {
        let faults = &self.shared.faults;
        faults.note_issuer_matched();
        if faults.audience_never_matched() && faults.audience.allows(now) {
            let why = Explanation { verifier: self, text, refusal: &Refusal::Audience };
            log::warn!(
                "no token so far was for the audience {}; the latest one is for {}. Request tokens for this service's audience, \
                 or add the other audience to this service's policy",
                Shown(format!("{:?}", self.shared.policy.audiences())),
                why.received("aud")
            );
        }
    }

    /// A signed `iat` in the future shows that the issuer's clock is ahead.
    fn warn_of_clock(&self, text: &str, now: Instant) {
        self.shared.faults.note_audience_matched();
        let why = Explanation { verifier: self, text, refusal: &Refusal::NotYetValid };
        let (iat, ours) = (why.date("iat"), self.clock.now());
        if let Some(iat) = iat.filter(|iat| *iat > ours.saturating_add(self.shared.policy.leeway_secs())) {
            let ahead = i64::try_from(iat - ours).unwrap_or(i64::MAX);
            self.shared.faults.warn_of_skew(ahead, self.issuer(), now);
        }
    }

    #[cfg(feature = "remote")]
    fn warn_if_not_started(&self, now: Instant) {
        let not_started = self.shared.refresher.as_ref().is_some_and(|refresher| !refresher.is_started());
        if not_started && self.shared.faults.not_started.allows(now) {
            log::error!(
                "the verifier of {} has not been started and fetches nothing: call `Verifier::start` inside the tokio runtime",
                Shown(self.issuer())
            );
        }
    }

    #[cfg(not(feature = "remote"))]
    #[expect(clippy::unused_self, reason = "only remote keys need a start")]
    fn warn_if_not_started(&self, _: Instant) {}
}
