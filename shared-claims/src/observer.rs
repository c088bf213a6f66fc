//! What a verifier does, told to whoever counts it: a trait without a dependency, for metrics of any kind.
//!
//! How old keys and lists are is in [`readiness`](crate::Verifier::readiness), to be read when metrics are collected.

use std::{fmt, sync::Arc};

use crate::{error::refusal::Refusal, token::AccessToken};

/// Is told of every token. Called on the path of requests: it must not wait.
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
///     fn verified(&self, _: &AccessToken, _remembered: bool) {
///         self.verified.fetch_add(1, Relaxed);
///     }
///     fn refused(&self, _: &Refusal) { // `Refusal::code` makes a good label
///         self.refused.fetch_add(1, Relaxed);
///     }
/// }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// A token was found good; `remembered` when it had been verified before.
    fn verified(&self, token: &AccessToken, remembered: bool) {
        let _ = (token, remembered);
    }

    /// A token was refused. [`Refusal::code`] is a name for the reason.
    fn refused(&self, refusal: &Refusal) {
        let _ = refusal;
    }
}

/// An observer that can be shared and shown.
#[derive(Clone)]
pub(crate) struct Watch(pub(crate) Arc<dyn Observer>);

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an observer")
    }
}
