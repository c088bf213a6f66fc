//! The operator who runs a command, and the use cases that a command works with.

use nix::unistd::{Uid, User};
use shared_claims::verifier::Clock;

use crate::app;
use crate::app::Services;
use crate::domain::audit::AuditContext;
use crate::domain::keyring::Makes;
use crate::settings::Settings;

/// Returns the context of audit events of this command: the name of the UNIX user who runs it, or the number of a user without
/// a name.
pub(super) fn operator() -> AuditContext {
    let uid = Uid::current();
    let user = User::from_uid(uid).ok().flatten();
    AuditContext::operator(&user.map_or_else(|| uid.to_string(), |user| user.name))
}

/// Runs `work` on the use cases, for an operator. When this returns, its audit events are stored.
pub(super) async fn as_operator<T>(
    settings: &Settings,
    work: impl AsyncFnOnce(&Services) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    as_operator_making(settings, Makes::Proofs, work).await
}

/// Does the same for a command that may create keys.
pub(super) async fn as_operator_making<T>(
    settings: &Settings,
    makes: Makes,
    work: impl AsyncFnOnce(&Services) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let work = async {
        let services = Box::pin(app::build_operator(settings, Clock::system(), makes)).await?;
        let done = Box::pin(work(&services)).await;
        if tokio::time::timeout(settings.database.timeout, services.audit.close()).await.is_err() {
            eprintln!(
                "auth-service: the audit events of this command could not be stored: the database did not answer in time"
            );
        }
        // The process ends: the marks of what it has committed are saved now.
        services.maintenance.save_marks().await;
        services.store.close().await;
        done
    };
    operator().scope(work).await
}
