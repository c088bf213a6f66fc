//! Checks whether the session of a token is still active, by the status lists in memory. Nothing here waits for a fetch.

use super::verifier::Verifier;
use crate::{error::refusal::Refusal, token::Verified};

impl Verifier {
    /// Looks up the token's status list and checks the entry of the token.
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
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only remote lists can be checked")]
    pub(super) fn check_status(&self, _: &Verified) -> Result<(), Refusal> {
        Ok(())
    }

    /// Checks the entry of a cached token, whose list need not be looked up again.
    #[cfg(feature = "remote")]
    pub(super) fn check_cached_status(&self, token: &Verified, now: u64) -> Result<(), Refusal> {
        match (&self.shared.refresher, &token.entry) {
            (Some(refresher), Some(entry)) => refresher.check_entry(entry, now, &self.clock),
            _ => Ok(()),
        }
    }

    #[cfg(not(feature = "remote"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only remote lists can be checked")]
    pub(super) fn check_cached_status(&self, _: &Verified, _: u64) -> Result<(), Refusal> {
        Ok(())
    }

    /// Notes where the token's status is found, for later checks. Returns whether the token may be cached.
    #[cfg(feature = "remote")]
    pub(super) fn with_status_entry(&self, mut token: Verified) -> (Verified, bool) {
        let refresher = self.shared.refresher.as_ref().filter(|refresher| refresher.checks_status());
        let (Some(refresher), Some(status)) = (refresher, &token.claims.status) else { return (token, true) };
        token.entry = refresher.entry(&status.status_list);
        let known = token.entry.is_some();
        (token, known)
    }
}
