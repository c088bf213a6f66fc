//! Whether the session of a token goes on, as far as it is known here: nothing waits for a list.

use super::verifier::Verifier;
use crate::{error::refusal::Refusal, token::Verified};

impl Verifier {
    /// Whether the token's session goes on, by what is known.
    #[cfg(feature = "remote")]
    pub(super) fn check_status(&self, token: &Verified) -> Result<(), Refusal> {
        match (&self.shared.refresher, &token.claims.status) {
            (Some(refresher), Some(status)) => {
                refresher.check_status(&status.status_list, token.claims.exp, &self.clock)
            }
            _ => Ok(()),
        }
    }

    #[cfg(not(feature = "remote"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only remote lists can be looked up")]
    pub(super) fn check_status(&self, _: &Verified) -> Result<(), Refusal> {
        Ok(())
    }

    /// The same for a token that was verified before: its list need not be looked up again.
    #[cfg(feature = "remote")]
    pub(super) fn recheck_status(&self, token: &Verified, now: u64) -> Result<(), Refusal> {
        match (&self.shared.refresher, &token.place) {
            (Some(refresher), Some((place, idx))) => refresher.check_place(place, *idx, now, &self.clock),
            _ => Ok(()),
        }
    }

    #[cfg(not(feature = "remote"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only remote lists can be looked up")]
    pub(super) fn recheck_status(&self, _: &Verified, _: u64) -> Result<(), Refusal> {
        Ok(())
    }

    /// Notes where the token's status can be seen from now on; says whether that is all that must be looked at.
    #[cfg(feature = "remote")]
    pub(super) fn with_place(&self, mut token: Verified) -> (Verified, bool) {
        let refresher = self.shared.refresher.as_ref().filter(|refresher| refresher.looks_status_up());
        let (Some(refresher), Some(status)) = (refresher, &token.claims.status) else { return (token, true) };
        let idx = status.status_list.idx;
        token.place = refresher.place(&status.status_list).map(|place| (place, idx));
        let known = token.place.is_some();
        (token, known)
    }
}
