//! What the use cases work with.

use std::sync::Arc;

use shared_claims::Verifier;

use crate::domain::accounts::names::Names;
use crate::domain::accounts::register::Accounts;
use crate::domain::audit::{Audit, Trail};
use crate::domain::change::Changes;
use crate::domain::clients::Clients;
use crate::domain::clock::{DatabaseClock, Moment};
use crate::domain::keyring::Keyring;
use crate::domain::marks::Marks;
use crate::domain::policy::Policy;
use crate::domain::processes::Processes;
use crate::domain::readiness::Readiness;
use crate::domain::sessions::login::PasswordLogin;
use crate::domain::sessions::session::Sessions;
use crate::domain::status_lists::StatusLists;
use crate::domain::tokens::access_token::Tokens;
use crate::domain::tokens::admission::Admission;
use crate::domain::tokens::introspect::Introspection;
use crate::domain::tokens::revoke::Revocation;
use crate::store::engine::store::Store;

/// The one place that owns users and signs tokens: what it needs, and what it was told to do.
pub struct Issuer {
    /// What is kept.
    pub store: Store,
    /// What time it is: the database's, so that replicas agree.
    pub clock: DatabaseClock,
    /// The private keys.
    pub keyring: Arc<Keyring>,
    /// Signs and verifies access tokens.
    pub tokens: Arc<Tokens>,
    /// Users' sessions.
    pub sessions: Arc<Sessions>,
    /// Logins with a password.
    pub login: PasswordLogin,
    /// Users' accounts.
    pub accounts: Accounts,
    /// Names that rest.
    pub names: Names,
    /// Clients and their tokens.
    pub clients: Arc<Clients>,
    /// What a token of this service opens.
    pub admission: Admission,
    /// RFC 7662.
    pub introspection: Introspection,
    /// RFC 7009.
    pub revocation: Revocation,
    /// What is remembered about all that happens.
    pub audit: Audit,
    /// Reads what is recorded.
    pub trail: Trail,
    /// What verifiers learn about ended sessions.
    pub lists: Arc<StatusLists>,
    /// Runs transactions, with all that belongs to them.
    pub changes: Changes,
    /// How far the database had come when it was last seen.
    pub marks: Arc<Marks>,
    /// This process among the live servers.
    pub processes: Processes,
    /// What keeps the service from its work.
    pub readiness: Readiness,
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
