//! The collaborators of one process, wired together.

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig};
use shared_claims::Verifier;

use crate::domain::accounts::names::Names;
use crate::domain::accounts::register::Accounts;
use crate::domain::audit::{Audit, Trail};
use crate::domain::change::Changes;
use crate::domain::clients::Clients;
use crate::domain::clock::DatabaseClock;
use crate::domain::keyring::Keyring;
use crate::domain::maintenance::Maintenance;
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

/// What `assembly` has wired. The routes hand each handler the collaborators that it uses; commands use them directly.
pub struct Services {
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
    pub login: Arc<PasswordLogin>,
    /// Users' accounts.
    pub accounts: Arc<Accounts>,
    /// Names that rest.
    pub names: Names,
    /// Clients and their tokens.
    pub clients: Arc<Clients>,
    /// What a token of this service opens.
    pub admission: Arc<Admission>,
    /// RFC 7662.
    pub introspection: Arc<Introspection>,
    /// RFC 7009.
    pub revocation: Arc<Revocation>,
    /// What is remembered about all that happens.
    pub audit: Audit,
    /// Reads what is recorded.
    pub trail: Arc<Trail>,
    /// What verifiers learn about ended sessions.
    pub lists: Arc<StatusLists>,
    /// Runs transactions, with all that belongs to them.
    pub changes: Changes,
    /// How far the database had come when it was last seen.
    pub marks: Arc<Marks>,
    /// This process among the live servers.
    pub processes: Arc<Processes>,
    /// What keeps the service from its work.
    pub readiness: Arc<Readiness>,
    /// Where tokens stand in requests, and how a request without a good one is answered. It holds no keys: the keyring
    /// judges tokens.
    pub verifier: Arc<Verifier>,
    /// Background tasks, and what operators can have done at once.
    pub maintenance: Arc<Maintenance>,
    /// The rules about tokens, sessions and accounts.
    pub policy: Arc<Policy>,
}

impl Services {
    /// Hands the handlers what they name as parameters.
    pub(super) fn provide(&self, config: &mut ServiceConfig) {
        config
            .app_data(Data::from(Arc::clone(&self.keyring)))
            .app_data(Data::from(Arc::clone(&self.tokens)))
            .app_data(Data::from(Arc::clone(&self.sessions)))
            .app_data(Data::from(Arc::clone(&self.login)))
            .app_data(Data::from(Arc::clone(&self.accounts)))
            .app_data(Data::from(Arc::clone(&self.clients)))
            .app_data(Data::from(Arc::clone(&self.admission)))
            .app_data(Data::from(Arc::clone(&self.introspection)))
            .app_data(Data::from(Arc::clone(&self.revocation)))
            .app_data(Data::from(Arc::clone(&self.trail)))
            .app_data(Data::from(Arc::clone(&self.lists)))
            .app_data(Data::from(Arc::clone(&self.readiness)))
            .app_data(Data::from(Arc::clone(&self.verifier)))
            .app_data(Data::from(Arc::clone(&self.policy)))
            .app_data(Data::new(self.clock.clone()));
    }
}
