//! A trait that receives the outcome of every verification, for metrics of any kind.
//!
//! The age of keys and status lists is in [`readiness`](crate::Verifier::readiness): read it when metrics are collected.

use std::{fmt, sync::Arc};

use crate::{error::refusal::Refusal, token::AccessToken};

/// Receives the outcome of every verification. It is called on the path of requests, so it must not block.
///
/// ```
/// # use shared_claims::{AccessToken, error::Refusal, verifier::Observer};
/// # use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// #[derive(Default)]
/// struct Counters {
///     verified: AtomicU64,
///     refused: AtomicU64,
/// }
///
/// impl Observer for Counters {
///     fn verified(&self, _: &AccessToken, _cached: bool) {
///         self.verified.fetch_add(1, Relaxed);
///     }
///     fn refused(&self, _: &Refusal) { // `Refusal::code` makes a good label
///         self.refused.fetch_add(1, Relaxed);
///     }
/// }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Called when a token was accepted; `cached` if it had been verified before.
    fn verified(&self, token: &AccessToken, cached: bool) {
        let _ = (token, cached);
    }

    /// Called when a token was refused. [`Refusal::code`] names the reason.
    fn refused(&self, refusal: &Refusal) {
        let _ = refusal;
    }
}

/// An observer that is shared between clones of a verifier.
#[derive(Clone)]
pub(crate) struct SharedObserver(pub(crate) Arc<dyn Observer>);

impl fmt::Debug for SharedObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an observer")
    }
}
