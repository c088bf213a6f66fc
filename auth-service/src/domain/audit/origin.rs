//! Where an event comes from: the request, or the operator's command, in which it happens.
//!
//! It travels as a task-local, as the request's id does for log lines: a use case that forgot to pass it on would otherwise
//! write rows that say nothing. Whoever proves who they are is noted here, and so becomes the actor of what follows.

use std::sync::{Arc, OnceLock};

tokio::task_local! {
    static ORIGIN: Arc<Origin>;
}

/// Who acts when no request and no command does.
pub(super) const SERVICE: &str = "service";

/// The request or the command in which something happens.
#[derive(Debug, Default)]
pub struct Origin {
    /// From where, as addresses are counted and shown.
    pub(super) address: Option<String>,
    /// As the log names it.
    pub(super) request_id: Option<String>,
    actor: OnceLock<String>,
}

impl Origin {
    /// A request, by somebody who has not proven anything yet.
    #[must_use]
    pub fn request(address: Option<String>, request_id: Option<String>) -> Self {
        Self { address, request_id, actor: OnceLock::new() }
    }

    /// A command, by an operator: the name that the system knows them by.
    #[must_use]
    pub fn operator(name: &str) -> Self {
        Self { actor: OnceLock::from(format!("operator:{name}")), ..Self::default() }
    }

    fn service() -> Self {
        Self { actor: OnceLock::from(SERVICE.to_owned()), ..Self::default() }
    }

    /// What happens in `work` comes from here.
    pub async fn scope<T>(self, work: impl Future<Output = T>) -> T {
        ORIGIN.scope(Arc::new(self), work).await
    }

    /// Where we are; outside of any request and any command it is the service itself that acts.
    pub(super) fn current() -> Arc<Self> {
        ORIGIN.try_with(Arc::clone).unwrap_or_else(|_| Arc::new(Self::service()))
    }

    /// The same again, for a task of its own.
    pub(super) async fn resume<T>(self: Arc<Self>, work: impl Future<Output = T>) -> T {
        ORIGIN.scope(self, work).await
    }

    /// Notes who has just proven to be who they are: the id of a user or of a client. The first proof counts.
    pub(in crate::domain) fn proven(actor: &str) {
        let _ = ORIGIN.try_with(|origin| origin.actor.set(actor.to_owned()));
    }

    pub(super) fn actor(&self) -> Option<String> {
        self.actor.get().cloned()
    }
}
