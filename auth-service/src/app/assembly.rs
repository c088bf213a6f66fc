//! Assembles the use cases, without HTTP, over an existing database.

use std::sync::Arc;

use shared_claims::{
    Verifier,
    error::SetupError,
    verifier::{Clock, KeySet},
};
use tokio::task::spawn_blocking;

use crate::app::services::{Foundation, Services};
use crate::app::start_error::StartError;
use crate::app::{checks, opening, rules};
use crate::domain::audit::Audit;
use crate::domain::authn::passwords::Hasher;
use crate::domain::authn::throttle::Throttle;
use crate::domain::clock::DatabaseClock;
use crate::domain::keyring::{Keyring, Makes, VerifierSettings};
use crate::domain::marks::Marks;
use crate::domain::policy::Policy;
use crate::domain::status_lists::{StatusListPolicy, StatusLists};
use crate::http::browser::cookies::CookieMode;
use crate::settings::Settings;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;

/// Assembles the use cases for a command, over an existing database.
///
/// # Errors
/// [`StartError`]. [`StartError::Behind`] if the database is behind the marks in the data folder.
pub async fn build_services(settings: &Settings, clock: Clock) -> Result<Services, StartError> {
    build_operator(settings, clock, Makes::Proofs).await
}

/// Assembles the use cases for a command that creates keys.
///
/// # Errors
/// As [`build_services`].
pub async fn build_operator(settings: &Settings, clock: Clock, makes: Makes) -> Result<Services, StartError> {
    let services = Box::pin(assemble(settings, clock, makes)).await?;
    match why_behind(&services.marks, services.clock.now()).await {
        None => Ok(services),
        Some(lack) => Err(StartError::Behind(lack)),
    }
}

/// Returns in what the database is behind the marks in the data folder; `None` if it is not.
///
/// # Errors
/// The marks cannot be read, or the database is away.
pub async fn behind_in(
    settings: &Settings,
    store: &Store,
    clock: Clock,
) -> Result<Option<String>, StartError> {
    let marks = Arc::new(Marks::open(&settings.data_dir)?);
    marks.check(store).await?;
    let clock = database_clock(store, clock).await?;
    Ok(why_behind(&marks, clock.now()).await)
}

/// Returns in what the database is behind its marks, and saves that it is.
async fn why_behind(marks: &Arc<Marks>, now: i64) -> Option<String> {
    let lack = marks.why_behind()?;
    let marks = Arc::clone(marks);
    let _ = spawn_blocking(move || marks.save(now)).await; // an error means that the runtime ends
    Some(lack)
}

/// Assembles the use cases, also over a database that is behind its marks. Nothing is written to such a database.
pub(super) async fn assemble(
    settings: &Settings,
    clock: Clock,
    makes: Makes,
) -> Result<Services, StartError> {
    checks::check(settings)?;
    let serves = makes == Makes::Everything;
    let store = opening::open(settings, serves)?;
    let sealer = opening::sealer(settings, &store, serves).await?;
    let marks = Arc::new(Marks::open(&settings.data_dir)?);
    let is_whole = marks.check(&store).await?.is_some();
    let inspecting = Arc::clone(&marks);
    store.inspect(move |db| inspecting.inspect(db));
    let clock = database_clock(&store, clock).await?;
    let presence = opening::take_part(settings, &store, serves, is_whole, clock.now()).await?;
    let scheme = rules::scheme(settings)?;
    let policy = Arc::new(rules::policy(settings, &scheme));
    let accepted = accepted(&policy)?;
    let secret = settings.tokens.shared_secret.as_ref();
    let verifier_settings = VerifierSettings::new(accepted.clone(), clock.clock(), secret)?;
    let makes = if is_whole { makes } else { Makes::Nothing };
    let keyring =
        Keyring::open(&store, sealer, clock.now(), rules::plan(settings), verifier_settings, makes).await?;
    let audit =
        Audit::start(store.clone(), keyring.audit_keys(), clock.clone(), rules::audit_rules(settings));
    let verifier = Verifier::with_keys(accepted, KeySet::empty())
        .with_clock(clock.clock())
        .with_sources(CookieMode::access_sources(rules::pages(settings)?));
    let hasher = Hasher::start(rules::hashing(settings, scheme), rules::hashing_limits(settings))
        .map_err(|error| StartError::Threads(error.to_string()))?;
    let hasher = Arc::new(hasher);
    let keyring = Arc::new(keyring);
    let lists = Arc::new(StatusLists::new(
        store.clone(),
        Arc::clone(&keyring),
        Arc::clone(&marks),
        audit.clone(),
        clock.clone(),
        Arc::clone(&policy),
        StatusListPolicy { lifetime: settings.status_lists.lifetime, ttl: settings.status_lists.ttl },
    ));
    let throttle = settings
        .limits
        .enabled
        .then(|| Throttle::new(store.clone(), clock.clone(), rules::throttle_rules(settings)));
    let services = Services::wire(Foundation {
        store,
        clock,
        keyring,
        hasher,
        throttle,
        limits: Arc::new(rules::grant_limits(settings)),
        audit,
        lists,
        marks,
        presence,
        verifier: Arc::new(verifier),
        policy,
    });
    services.audit.record_key_changes(&services.keyring).await;
    Ok(services)
}

/// Returns the clock of the database, which all replicas share.
pub(super) async fn database_clock(store: &Store, local: Clock) -> Result<DatabaseClock, StoreError> {
    let clock = DatabaseClock::new(local);
    let asked = clock.elapsed();
    if let Some(now) = store.time().await? {
        clock.observe(now, asked);
    }
    Ok(clock)
}

/// Returns the policy for tokens at this service's own routes. It accepts every audience, since the routes check the database
/// too.
pub(super) fn accepted(policy: &Policy) -> Result<shared_claims::Policy, SetupError> {
    Ok(shared_claims::Policy::new(&policy.issuer, &policy.allowed_audiences)?.realm("auth-service"))
}
