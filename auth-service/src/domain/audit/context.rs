//! The audit context: the request, or the operator's command, in which an event happens.
//!
//! It travels as a task-local, as the request id does for log lines: a use case that forgot to pass it on would write rows
//! without it. When a user or a client has proven its identity, that is noted here, and it is the actor of what follows.

use std::fmt;
use std::sync::{Arc, OnceLock};

tokio::task_local! {
    static CONTEXT: Arc<AuditContext>;
}

/// Who causes an event.
#[derive(Debug, Clone)]
pub(super) enum Actor {
    /// The service itself.
    Service,
    /// An operator, by the name that the system has for them.
    Operator(String),
    /// A user or a client, by its id.
    Party(String),
}

impl fmt::Display for Actor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service => out.write_str("service"),
            Self::Operator(name) => write!(out, "operator:{name}"),
            Self::Party(id) => out.write_str(id),
        }
    }
}

/// The request or the command in which an event happens.
#[derive(Debug, Default)]
pub struct AuditContext {
    /// The client's address, in the form that is counted and shown.
    pub(super) address: Option<String>,
    /// The id that is in the log lines of the request.
    pub(super) request_id: Option<String>,
    actor: OnceLock<Actor>,
}

impl AuditContext {
    /// The context of a request. Its actor is not known yet.
    #[must_use]
    pub fn request(address: Option<String>, request_id: Option<String>) -> Self {
        Self { address, request_id, actor: OnceLock::new() }
    }

    /// The context of a command.
    #[must_use]
    pub fn operator(name: &str) -> Self {
        Self { actor: OnceLock::from(Actor::Operator(name.to_owned())), ..Self::default() }
    }

    /// Runs `work` in this context.
    pub async fn scope<T>(self, work: impl Future<Output = T>) -> T {
        CONTEXT.scope(Arc::new(self), work).await
    }

    /// Returns the context of the caller. Outside of any request and any command, the actor is the service.
    pub(super) fn current() -> Arc<Self> {
        let service = || Self { actor: OnceLock::from(Actor::Service), ..Self::default() };
        CONTEXT.try_with(Arc::clone).unwrap_or_else(|_| Arc::new(service()))
    }

    /// Runs `work`, which may be a task of its own, in this context.
    pub(super) async fn resume<T>(self: Arc<Self>, work: impl Future<Output = T>) -> T {
        CONTEXT.scope(self, work).await
    }

    /// Notes the user or client that has proven its identity, by its id. Only the first one counts.
    pub(in crate::domain) fn proven(id: &str) {
        let _ = CONTEXT.try_with(|context| context.actor.set(Actor::Party(id.to_owned())));
    }

    pub(super) fn actor(&self) -> Option<String> {
        self.actor.get().map(Actor::to_string)
    }
}
