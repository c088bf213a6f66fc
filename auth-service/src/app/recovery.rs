//! Puts a restored database into service.

use std::sync::Arc;

use shared_claims::verifier::Clock;
use tokio::task::spawn_blocking;

use crate::app::assembly::{accepted, database_clock};
use crate::app::start_error::StartError;
use crate::app::{opening, rules};
use crate::domain::audit::{Audit, Event, EventKind};
use crate::domain::keyring::{Keyring, Makes, VerifierSettings};
use crate::domain::marks::Marks;
use crate::domain::recovery;
use crate::settings::Settings;
use crate::store::engine::wal;

/// Puts a restored database into service, and records that in the audit trail. Returns how many sessions were ended.
///
/// # Errors
/// Why the database cannot be put into service.
pub async fn recover(settings: &Settings, clock: Clock) -> Result<usize, StartError> {
    wal::refuse_foreign(&settings.database_url())?;
    let store = opening::open(settings, false)?;
    let sealer = opening::sealer(settings, &store, false).await?;
    let marks = Arc::new(Marks::open(&settings.data_dir)?);
    let clock = database_clock(&store, clock).await?;
    opening::take_part(settings, &store, false, true, clock.now()).await?;
    let (plan, now) = (rules::plan(settings), clock.now());
    let recovered = recovery::recover(&store, &sealer, &plan, marks.highest_epoch(), now).await?;
    let accepted = accepted(&rules::policy(settings, &rules::scheme(settings)?))?;
    let verifier_settings =
        VerifierSettings::new(accepted, clock.clock(), settings.tokens.shared_secret.as_ref())?;
    let keyring =
        Box::pin(Keyring::open(&store, sealer, now, plan, verifier_settings, Makes::Everything)).await?;
    let audit = Audit::start(store.clone(), keyring.audit_keys(), clock, rules::audit_rules(settings));
    let event = Event::of(EventKind::Recovered).with("ended", recovered.ended);
    let event =
        event.with("lost_keys", recovered.lost_audit_keys).with("newest_chain", recovered.newest_chain);
    let event = event.with("tampered_keys", recovered.tampered_audit_keys);
    audit.record(event).await;
    if tokio::time::timeout(settings.database.timeout, audit.close()).await.is_err() {
        log::error!(
            "the audit event of this recovery could not be stored: the database did not answer in time"
        );
    }
    if let Some(name) = recovered.former_name {
        marks.supersede(&name);
    }
    marks.check(&store).await?;
    let _ = spawn_blocking(move || marks.save(now)).await; // an error means that the runtime ends
    store.close().await;
    Ok(recovered.ended)
}
