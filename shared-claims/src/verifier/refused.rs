//! What the log says of a token that is refused: at `debug` why, and what an operator has to put right, as a warning.

use super::{explain::Why, verifier::Verifier, verify::issuer_of};
use crate::{
    clock::Instant,
    error::refusal::Refusal,
    jws::{ACCESS_TOKEN, Unverified},
    shown::Shown,
};

impl Verifier {
    /// Writes into the log that this verifier refused `text`.
    #[cold]
    pub(super) fn report(&self, text: &str, refusal: &Refusal) {
        log::debug!("a token is refused: {}", Why { judge: self, text, refusal });
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
                "a token of {} bytes was refused unread: {longest} are the most. If it is a real one, the issuer puts too much \
                 into it, such as roles",
                text.len()
            );
        }
    }

    /// A key that is not known may also be that of an issuer that calls itself otherwise than the settings do.
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
                "no token so far was of the issuer {}; the latest says that it is of {}. Both must be equal to the letter",
                Shown(self.issuer()),
                Shown(said)
            );
        }
    }

    fn warn_of_audience(&self, text: &str, now: Instant) {
        let faults = &self.shared.faults;
        faults.issuer_matches();
        if faults.audience_never_matched() && faults.audience.allows(now) {
            let why = Why { judge: self, text, refusal: &Refusal::Audience };
            log::warn!(
                "no token so far was for the audience {}; the latest is for {}. Name this service's audience where the token is \
                 asked for, or the other one in this service's policy",
                Shown(format!("{:?}", self.shared.policy.audiences())),
                why.came("aud")
            );
        }
    }

    /// A signed `iat` in the future shows the issuer's clock.
    fn warn_of_clock(&self, text: &str, now: Instant) {
        self.shared.faults.audience_matches();
        let why = Why { judge: self, text, refusal: &Refusal::NotYetValid };
        let (iat, ours) = (why.date("iat"), self.clock.now());
        if let Some(iat) = iat.filter(|iat| *iat > ours.saturating_add(self.shared.policy.leeway_secs())) {
            let ahead = i64::try_from(iat - ours).unwrap_or(i64::MAX);
            self.shared.faults.warn_of_skew(ahead, self.issuer(), now);
        }
    }

    #[cfg(feature = "remote")]
    fn warn_if_not_started(&self, now: Instant) {
        let waits = self.shared.refresher.as_ref().is_some_and(|refresher| !refresher.is_started());
        if waits && self.shared.faults.not_started.allows(now) {
            log::error!(
                "the verifier of {} has not been started, so that it fetches nothing: call `Verifier::start` in the runtime",
                Shown(self.issuer())
            );
        }
    }

    #[cfg(not(feature = "remote"))]
    #[expect(clippy::unused_self, reason = "only remote keys need a start")]
    fn warn_if_not_started(&self, _: Instant) {}
}
