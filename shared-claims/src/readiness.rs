//! Whether a verifier can verify tokens, and how old its keys and status lists are. For probes and metrics.

/// Whether a verifier can verify tokens now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Tokens can be verified.
    Ready {
        /// How long ago the keys were loaded or confirmed, in seconds.
        keys_age_secs: u64,
        /// The state of the status lists; `None` if they are not checked. A list that is not known yet is fetched when a token
        /// names it.
        revocations: Option<Revocations>,
    },
    /// Every well-formed token is refused as [`Refusal::Unavailable`](crate::error::Refusal::Unavailable).
    NotReady {
        /// The reason, for an operator.
        reason: String,
    },
}

/// The state of a verifier's status lists (draft-ietf-oauth-status-list).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocations {
    /// How many status lists are in memory.
    pub lists: usize,
    /// How long ago the issuer confirmed the oldest of them, in seconds.
    pub oldest_age_secs: u64,
    /// Whether the issuer's event stream is connected, which reports changes immediately.
    pub streaming: bool,
    /// How changes are found without an event stream. `None` while the stream is connected, and if nothing is fetched any
    /// more because the runtime in which the verifier was started is gone.
    pub polling: Option<Polling>,
}

/// How a verifier without an event stream finds out that a status list has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Polling {
    /// It requests the revisions of all lists once a second, in one small request, and fetches the lists that have changed.
    Revisions,
    /// It fetches each list as often as its `ttl` says, because the issuer does not publish revisions or is unreachable.
    Lists,
}

impl Readiness {
    /// Combines the readiness of two issuers.
    pub(crate) fn worse(self, other: Self) -> Self {
        match (self, other) {
            (not @ Self::NotReady { .. }, _) | (_, not @ Self::NotReady { .. }) => not,
            (
                Self::Ready { keys_age_secs: one, revocations: first },
                Self::Ready { keys_age_secs: other, revocations: second },
            ) => Self::Ready {
                keys_age_secs: one.max(other),
                revocations: match (first, second) {
                    (Some(first), Some(second)) => Some(first.together(second)),
                    (first, second) => first.or(second),
                },
            },
        }
    }
}

impl Revocations {
    fn together(self, other: Self) -> Self {
        Self {
            lists: self.lists + other.lists,
            oldest_age_secs: self.oldest_age_secs.max(other.oldest_age_secs),
            streaming: self.streaming && other.streaming,
            polling: self.polling.max(other.polling), // the slower one
        }
    }
}
