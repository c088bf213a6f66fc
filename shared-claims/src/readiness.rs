//! What a verifier says about itself: whether it can judge, and how old its knowledge is. For probes and metrics.

/// Whether a verifier can judge tokens right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready {
        /// How long ago the keys were loaded or confirmed, in seconds.
        keys_age_secs: u64,
        /// What is known of revocations; `None` where no status is looked up. A list that is not known yet is
        /// fetched when a token names it.
        revocations: Option<Revocations>,
    },
    /// It cannot: every well-formed token is [`Refusal::Unavailable`](crate::error::Refusal::Unavailable).
    NotReady {
        /// Why, in a sentence for an operator.
        reason: String,
    },
}

/// How much a verifier knows of tokens that were revoked before they expire (draft-ietf-oauth-status-list).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocations {
    /// The status lists that are known.
    pub lists: usize,
    /// How long ago the issuer confirmed the one that has waited longest, in seconds.
    pub oldest_age_secs: u64,
    /// Whether the issuer's event stream is connected, which tells of changes at once.
    pub streaming: bool,
    /// How changes are seen when there is no event stream, and the verifier only polls. `None` while there is one, and where
    /// nothing is fetched any more, because the runtime is gone in which the verifier was started.
    pub polling: Option<Polling>,
}

/// How a verifier without an event stream sees that a status list has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Polling {
    /// Each second it asks for the revisions of all lists, which is one small question, and fetches what has changed.
    Revisions,
    /// It asks for each list as often as its `ttl` says: the issuer does not publish revisions, or cannot be reached.
    Lists,
}

impl Readiness {
    /// Of two issuers, what is to be said of both.
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
