//! Counts tokens, and logs the reasons for refusals: an example of an observer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shared_claims::AccessToken;
use shared_claims::error::Refusal;
use shared_claims::verifier::Observer;
use tokio::time::Instant;

/// The least time between two log lines.
const PAUSE: Duration = Duration::from_secs(60);

/// The numbers of accepted and refused tokens since the start.
#[derive(Debug, Default)]
pub(crate) struct TokenCounter {
    accepted: AtomicU64,
    refused: Mutex<Refused>,
}

#[derive(Debug, Default)]
struct Refused {
    /// By the code of the refusal, of which there are a dozen.
    by_code: BTreeMap<&'static str, u64>,
    reported: Option<Instant>,
}

impl Observer for TokenCounter {
    fn verified(&self, _: &AccessToken, _remembered: bool) {
        self.accepted.fetch_add(1, Relaxed);
    }

    fn refused(&self, refusal: &Refusal) {
        if let Some(refused) = self.count(refusal.code(), Instant::now()) {
            log::info!(
                "tokens since the start: {} accepted; refused: {refused}",
                self.accepted.load(Relaxed)
            );
        }
    }
}

impl TokenCounter {
    /// Counts a refusal. Returns the counts by code if it is time to log them.
    fn count(&self, code: &'static str, now: Instant) -> Option<String> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.by_code.entry(code).or_default() += 1;
        if refused.reported.is_some_and(|at| now.saturating_duration_since(at) < PAUSE) {
            return None;
        }
        refused.reported = Some(now);
        let counts: Vec<_> = refused.by_code.iter().map(|(code, count)| format!("{code} {count}")).collect();
        Some(counts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_code_and_reported_once_a_minute() {
        let (counter, now) = (TokenCounter::default(), Instant::now());
        assert_eq!(counter.count("expired", now).as_deref(), Some("expired 1"));
        assert_eq!(counter.count("audience", now + Duration::from_secs(59)), None);
        assert_eq!(counter.count("expired", now + PAUSE).as_deref(), Some("audience 1, expired 2"));
    }
}
