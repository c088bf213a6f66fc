//! What the use cases work with.

use std::sync::Arc;

use shared_claims::Verifier;

use crate::domain::audit::Audit;
use crate::domain::authn::passwords::Hasher;
use crate::domain::authn::throttle::Guessing;
use crate::domain::change::Changes;
use crate::domain::clock::{DatabaseClock, Moment};
use crate::domain::keyring::Keyring;
use crate::domain::marks::Marks;
use crate::domain::policy::Policy;
use crate::domain::processes::Presence;
use crate::domain::rate::GrantLimits;
use crate::domain::readiness::MissingTables;
use crate::domain::status_lists::StatusLists;
use crate::store::engine::store::Store;

/// The one place that owns users and signs tokens: what it needs, and what it was told to do.
pub struct Issuer {
    /// What is kept.
    pub store: Store,
    /// What time it is: the database's, so that replicas agree.
    pub clock: DatabaseClock,
    /// The private keys.
    pub keyring: Arc<Keyring>,
    /// The threads that hash passwords.
    pub hasher: Hasher,
    /// How often passwords were wrong; `None` when nobody counts.
    pub guessing: Option<Guessing>,
    /// How often tokens are given.
    pub grant_limits: GrantLimits,
    /// What is remembered about all that happens.
    pub audit: Audit,
    /// What verifiers learn about ended sessions.
    pub lists: Arc<StatusLists>,
    /// Runs transactions, with all that belongs to them.
    pub changes: Changes,
    /// How far the database had come when it was last seen.
    pub marks: Arc<Marks>,
    /// This process among the servers; `None` for a command.
    pub presence: Option<Presence>,
    /// What the database lacks of what the service needs.
    pub tables: MissingTables,
    /// Where tokens stand in requests, and how a request without a good one is answered. It holds no keys: the keyring
    /// judges tokens.
    pub verifier: Verifier,
    /// What tokens and sessions are like.
    pub policy: Arc<Policy>,
}

impl Issuer {
    /// Unix seconds, as the database stores them.
    pub(in crate::domain) fn now(&self) -> i64 {
        self.clock.now()
    }

    /// The same, with how far it is to be trusted: for what could not be undone.
    pub(in crate::domain) fn moment(&self) -> Moment {
        self.clock.moment()
    }
}
