//! The collaborators of one process, wired together.

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig};
use shared_claims::Verifier;

use crate::domain::accounts::names::Names;
use crate::domain::accounts::use_cases::Accounts;
use crate::domain::audit::{Audit, Trail};
use crate::domain::authn::authenticator::Authenticator;
use crate::domain::authn::passwords::Hasher;
use crate::domain::authn::throttle::Throttle;
use crate::domain::change::Changes;
use crate::domain::clients::Clients;
use crate::domain::clock::DatabaseClock;
use crate::domain::keyring::Keyring;
use crate::domain::maintenance::Maintenance;
use crate::domain::marks::Marks;
use crate::domain::policy::Policy;
use crate::domain::processes::{Presence, Processes};
use crate::domain::rate::GrantLimits;
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

/// What the collaborators are built on.
pub(super) struct Foundation {
    pub(super) store: Store,
    pub(super) clock: DatabaseClock,
    pub(super) keyring: Arc<Keyring>,
    pub(super) hasher: Arc<Hasher>,
    /// `None` if throttling is off.
    pub(super) throttle: Option<Throttle>,
    pub(super) limits: Arc<GrantLimits>,
    pub(super) audit: Audit,
    pub(super) lists: Arc<StatusLists>,
    pub(super) marks: Arc<Marks>,
    /// `None` for a command.
    pub(super) presence: Option<Presence>,
    pub(super) verifier: Arc<Verifier>,
    pub(super) policy: Arc<Policy>,
}

impl Foundation {
    fn changes(&self) -> Changes {
        let (lists, keyring) = (Arc::clone(&self.lists), Arc::clone(&self.keyring));
        Changes::new(self.store.clone(), self.audit.clone(), lists, keyring, self.clock.clone())
    }

    fn authenticator(&mut self) -> Arc<Authenticator> {
        Arc::new(Authenticator::new(
            self.store.clone(),
            self.clock.clone(),
            Arc::clone(&self.keyring),
            Arc::clone(&self.hasher),
            self.throttle.take(),
            Arc::clone(&self.policy),
        ))
    }

    fn sessions(&self, changes: &Changes, tokens: &Arc<Tokens>) -> Arc<Sessions> {
        Arc::new(Sessions {
            store: self.store.clone(),
            changes: changes.clone(),
            tokens: Arc::clone(tokens),
            keyring: Arc::clone(&self.keyring),
            policy: Arc::clone(&self.policy),
            clock: self.clock.clone(),
            limits: Arc::clone(&self.limits),
        })
    }

    fn clients(&self, changes: &Changes, tokens: &Arc<Tokens>) -> Arc<Clients> {
        Arc::new(Clients {
            store: self.store.clone(),
            changes: changes.clone(),
            tokens: Arc::clone(tokens),
            policy: Arc::clone(&self.policy),
            clock: self.clock.clone(),
            limits: Arc::clone(&self.limits),
        })
    }

    fn names(&self) -> Names {
        Names {
            store: self.store.clone(),
            keyring: Arc::clone(&self.keyring),
            policy: Arc::clone(&self.policy),
            clock: self.clock.clone(),
        }
    }

    fn readiness(&self) -> Arc<Readiness> {
        let (keyring, marks) = (Arc::clone(&self.keyring), Arc::clone(&self.marks));
        let min_free = self.policy.min_free;
        Arc::new(Readiness::new(self.store.clone(), keyring, marks, self.clock.clone(), min_free))
    }

    fn processes(&mut self) -> Arc<Processes> {
        let (marks, presence) = (Arc::clone(&self.marks), self.presence.take());
        Arc::new(Processes::new(self.store.clone(), self.clock.clone(), marks, presence))
    }
}

impl Services {
    /// Builds the collaborators, and gives each what it uses.
    pub(super) fn wire(mut base: Foundation) -> Self {
        let changes = base.changes();
        let (keyring, policy) = (Arc::clone(&base.keyring), Arc::clone(&base.policy));
        let tokens = Arc::new(Tokens::new(keyring, policy, base.clock.clone()));
        let authenticator = base.authenticator();
        let sessions = base.sessions(&changes, &tokens);
        let clients = base.clients(&changes, &tokens);
        let names = base.names();
        let (readiness, processes) = (base.readiness(), base.processes());
        let Foundation { store, clock, keyring, hasher, audit, lists, marks, verifier, policy, .. } = base;
        let login = Arc::new(PasswordLogin {
            authenticator: Arc::clone(&authenticator),
            sessions: Arc::clone(&sessions),
            changes: changes.clone(),
            policy: Arc::clone(&policy),
        });
        let accounts = Arc::new(Accounts {
            store: store.clone(),
            changes: changes.clone(),
            names: names.clone(),
            authenticator,
            hasher,
            sessions: Arc::clone(&sessions),
            policy: Arc::clone(&policy),
            clock: clock.clone(),
        });
        let admission = Arc::new(Admission {
            sessions: Arc::clone(&sessions),
            changes: changes.clone(),
            policy: Arc::clone(&policy),
            clock: clock.clone(),
        });
        let introspection = Arc::new(Introspection { store: store.clone(), tokens: Arc::clone(&tokens) });
        let revocation = Arc::new(Revocation {
            tokens: Arc::clone(&tokens),
            sessions: Arc::clone(&sessions),
            clients: Arc::clone(&clients),
        });
        let trail = Arc::new(Trail::new(store.clone(), keyring.audit_keys(), audit.clone()));
        let maintenance = Arc::new(Maintenance {
            store: store.clone(),
            clock: clock.clone(),
            keyring: Arc::clone(&keyring),
            lists: Arc::clone(&lists),
            marks: Arc::clone(&marks),
            audit: audit.clone(),
            trail: Arc::clone(&trail),
            names,
            processes: Arc::clone(&processes),
            readiness: Arc::clone(&readiness),
        });
        Self {
            store,
            clock,
            keyring,
            tokens,
            sessions,
            login,
            accounts,
            clients,
            admission,
            introspection,
            revocation,
            audit,
            trail,
            lists,
            changes,
            marks,
            processes,
            readiness,
            verifier,
            maintenance,
            policy,
        }
    }

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
