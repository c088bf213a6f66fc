//! Builds the service from its settings: what `main` starts, and what tests start. `rules` says what the settings mean.

mod opening;
mod rules;
mod waiting;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Data, ServiceConfig};
use secrecy::ExposeSecret as _;
use service_kit::access::{warn_if_open, warn_if_shared};
use service_kit::cors::warn_of_other_sites;
use service_kit::settings::SettingsError;
use service_kit::{App, Capacity, CapacityError, Cors, Endpoint, Listen, Tls};
use shared_claims::{
    Verifier,
    error::SetupError,
    verifier::{Algorithm, Clock, KeySet},
};
use tokio::task::spawn_blocking;
use url::Url;

use crate::domain::accounts::address_check::settle_addresses;
use crate::domain::audit::{Audit, Event, EventKind};
use crate::domain::authn::passwords::Hasher;
use crate::domain::authn::throttle::Guessing;
use crate::domain::change::Changes;
use crate::domain::clock::DatabaseClock;
use crate::domain::issuer::Issuer;
use crate::domain::keyring::sealing::MasterKeyError;
use crate::domain::keyring::{Judge, Keyring, KeyringError};
use crate::domain::marks::{Marks, MarksError};
use crate::domain::policy::Policy;
use crate::domain::processes::{IssuerError, RevertError};
use crate::domain::readiness::MissingTables;
use crate::domain::recovery;
use crate::domain::status_lists::{Places, StatusListPolicy, StatusLists};
use crate::http::admin::import::ImportLimits;
use crate::http::browser::cookies::CookieMode;
use crate::http::oauth::error::refusal;
use crate::http::oauth::metadata::Metadata;
use crate::http::request::device::Devices;
use crate::http::routes;
use crate::http::status_lists::Listeners;
use crate::settings::{PasswordAlgorithm, Settings};
use crate::store::engine::store::Store;
use crate::store::engine::wal;
use crate::store::engine::wal::ForeignWal;
use crate::store::error::StoreError;

pub use crate::domain::keyring::Makes;
pub use opening::{make_data_dir, new_master_key, revert};
pub use rules::store_limits;

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum StartError {
    #[error(transparent)]
    Setting(#[from] SettingsError),
    #[error("cannot make the data folder {0}: {1}")]
    DataDir(String, io::Error),
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error("setting `passwords.argon2id`: {0}")]
    Argon2id(argon2::Error),
    #[error("cannot start the hashing threads: {0}")]
    Threads(String),
    #[error("cannot set up the verifier of our own tokens: {0}")]
    Verifier(#[from] SetupError),
    #[error(transparent)]
    Marks(#[from] MarksError),
    #[error(
        "the database is older than what was answered from it before ({0}): nothing works with it until \
         `auth-service recover` was run"
    )]
    Behind(String),
    #[error("cannot listen on {0}: {1}")]
    Listen(Listen, io::Error),
    #[error(
        "there is no database at {0}: is it the right place? `auth-service serve` and `auth-service migrate` make one"
    )]
    NoDatabase(String),
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    #[error(transparent)]
    Revert(#[from] RevertError),
    #[error(transparent)]
    ForeignWal(#[from] ForeignWal),
    #[error(transparent)]
    Capacity(#[from] CapacityError),
    #[error("cannot serve: {0}")]
    Serve(io::Error),
}

/// Opens everything that `settings` name, and listens.
///
/// # Errors
/// [`StartError`], as a sentence for the operator.
pub async fn build(settings: &Settings, clock: Clock) -> Result<App, StartError> {
    settings.log.apply();
    let tls = open_tls(settings, clock.clone())?;
    let capacity = Capacity::claim(&settings.http, rules::descriptors(settings))?;
    let limits = rules::place_limits(settings, capacity);
    let places = Places::new(limits);
    log::info!("works on {}", settings.database_shown());
    waiting::for_database(settings).await?;
    let issuer = Data::new(Box::pin(assemble(settings, clock, Makes::Everything)).await?);
    let behind = issuer.marks.is_behind();
    if !behind {
        issuer.publish_lists().await?;
        if let Err(error) = settle_addresses(&issuer.store).await {
            log::warn!("the addresses of accounts were not looked at: {error}");
        }
    }
    let metadata = Data::new(Metadata::new(&issuer.policy));
    let devices = Data::new(Devices::new(
        settings.sessions.max_user_agent_chars,
        &settings.http.trusted_proxies,
        settings.limits.forwarded_header,
    ));
    let rates = Data::new(rules::rates(settings));
    let listeners = Data::new(Listeners::new(places.clone(), settings.status_lists.heartbeat));
    let import = Data::new(ImportLimits {
        max_body_bytes: settings.import.max_body_bytes,
        max_lines: settings.import.max_lines,
    });
    let cookies = Data::new(CookieMode::new(&rules::pages(settings)?, &settings.issuer));
    let cors = Cors::new(&settings.cors.allowed_origins, settings.cors.preflight_max_age);
    let issuer_path =
        Url::parse(&settings.issuer).map_or_else(|_| String::new(), |url| url.path().to_owned());
    let upkeep = rules::upkeep(settings);
    let (background, ending) = (issuer.clone(), issuer.clone());
    let (listening, look_at_clients) = (issuer.clone(), rules::look_at_clients(settings));
    let routes = move |config: &mut ServiceConfig| {
        config
            .app_data(issuer.clone())
            .app_data(metadata.clone())
            .app_data(devices.clone())
            .app_data(rates.clone())
            .app_data(listeners.clone())
            .app_data(import.clone())
            .app_data(cookies.clone())
            .app_data(cors.clone());
        routes::routes(config, &issuer_path);
    };
    let endpoint = Endpoint {
        name: "auth-service",
        address: settings.listen.clone(),
        socket: settings.socket.clone(),
        http: &settings.http,
        capacity,
        tls,
        hsts: settings.tls.hsts(Some(&settings.issuer)),
        refusal,
    };
    rules::report_places(settings, limits);
    let app =
        App::listen(endpoint, routes).map_err(|error| StartError::Listen(settings.listen.clone(), error))?;
    warn_about(settings);
    warn_about_address(settings, app.address.port());
    ending.warn_about_token_sizes();
    warn_about_files(settings);
    log::info!("issues tokens as {}", settings.issuer);
    if !behind {
        ending.audit.begin().await;
    }
    Ok(app
        .beside(async move { background.keep_up(upkeep).await })
        .beside(async move { listening.follow_withdrawals(&places, look_at_clients).await })
        .afterwards(async move {
            ending.audit.close().await;
            ending.save_marks().await;
            ending.leave().await;
            ending.store.close().await;
        }))
}

fn open_tls(settings: &Settings, clock: Clock) -> Result<Option<Tls>, SettingsError> {
    Tls::open(&settings.tls, Box::new(move || clock.now()))
}

/// The use cases without HTTP, over a database that is there: what the command line works with.
///
/// # Errors
/// [`StartError`].
pub async fn build_issuer(settings: &Settings, clock: Clock) -> Result<Issuer, StartError> {
    build_operator(settings, clock, Makes::Proofs).await
}

/// The same for a command that makes keys.
///
/// # Errors
/// [`StartError`].
pub async fn build_operator(settings: &Settings, clock: Clock, makes: Makes) -> Result<Issuer, StartError> {
    let issuer = Box::pin(assemble(settings, clock, makes)).await?;
    match why_behind(&issuer.marks, issuer.clock.now()).await {
        None => Ok(issuer),
        Some(lack) => Err(StartError::Behind(lack)),
    }
}

/// In what the database lacks something that the marks in the data folder say; `None` when it does not.
///
/// # Errors
/// [`StartError`].
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

/// In what the database is behind, which is written down.
async fn why_behind(marks: &Arc<Marks>, now: i64) -> Option<String> {
    let lack = marks.why_behind()?;
    let marks = Arc::clone(marks);
    let _ = spawn_blocking(move || marks.save(now)).await; // an error means that the runtime ends
    Some(lack)
}

/// The use cases, also over a database that is behind its marks: nothing is written to it then.
async fn assemble(settings: &Settings, clock: Clock, makes: Makes) -> Result<Issuer, StartError> {
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
    let judge = Judge::new(accepted.clone(), clock.clock(), secret)?;
    let makes = if is_whole { makes } else { Makes::Nothing };
    let keyring = Keyring::open(&store, sealer, clock.now(), rules::plan(settings), judge, makes).await?;
    let audit =
        Audit::start(store.clone(), keyring.audit_keys(), clock.clone(), rules::audit_rules(settings));
    let verifier = Verifier::with_keys(accepted, KeySet::empty())
        .with_clock(clock.clock())
        .with_sources(CookieMode::access_sources(rules::pages(settings)?));
    let hasher = Hasher::start(rules::hashing(settings, scheme), rules::hashing_limits(settings))
        .map_err(|error| StartError::Threads(error.to_string()))?;
    let lists = Arc::new(StatusLists::new(StatusListPolicy {
        lifetime: settings.status_lists.lifetime,
        ttl: settings.status_lists.ttl,
    }));
    let keyring = Arc::new(keyring);
    let changes = Changes::new(
        store.clone(),
        audit.clone(),
        Arc::clone(&lists),
        Arc::clone(&keyring),
        clock.clone(),
        Arc::clone(&policy),
    );
    let guessing = settings.limits.enabled.then(|| Guessing::new(rules::guessing_rules(settings)));
    let grant_limits = rules::grant_limits(settings);
    let issuer = Issuer {
        store,
        clock,
        keyring,
        hasher,
        guessing,
        grant_limits,
        audit,
        lists,
        changes,
        marks,
        presence,
        tables: MissingTables::default(),
        verifier,
        policy,
    };
    issuer.record_key_news().await;
    Ok(issuer)
}

/// Puts a restored database into service, and writes so into the audit trail; says how many sessions were ended.
///
/// # Errors
/// [`StartError`].
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
    let judge = Judge::new(accepted, clock.clock(), settings.tokens.shared_secret.as_ref())?;
    let keyring = Box::pin(Keyring::open(&store, sealer, now, plan, judge, Makes::Everything)).await?;
    let audit = Audit::start(store.clone(), keyring.audit_keys(), clock, rules::audit_rules(settings));
    let event = Event::of(EventKind::Recovered).with("ended", recovered.ended);
    let event =
        event.with("lost_keys", recovered.lost_audit_keys).with("newest_chain", recovered.newest_chain);
    let event = event.with("tampered_keys", recovered.tampered_audit_keys);
    audit.record(event).await;
    if tokio::time::timeout(settings.database.timeout, audit.close()).await.is_err() {
        log::error!("the database did not take what this adds to the audit trail");
    }
    if let Some(name) = recovered.former_name {
        marks.supersede(&name);
    }
    marks.check(&store).await?;
    let _ = spawn_blocking(move || marks.save(now)).await; // an error means that the runtime ends
    store.close().await;
    Ok(recovered.ended)
}

/// The clock of the database, which all replicas share.
async fn database_clock(store: &Store, local: Clock) -> Result<DatabaseClock, StoreError> {
    let clock = DatabaseClock::new(local);
    let asked = clock.elapsed();
    if let Some(now) = store.time().await? {
        clock.observe(now, asked);
    }
    Ok(clock)
}

/// Our own routes take every token that we give, whatever its audience: they look at the store as well.
fn accepted(policy: &Policy) -> Result<shared_claims::Policy, SetupError> {
    Ok(shared_claims::Policy::new(&policy.issuer, &policy.allowed_audiences)?.realm("auth-service"))
}

/// What is there already stays as it is; new files are private (`service_kit::access`).
fn warn_about_files(settings: &Settings) {
    warn_if_open("the data folder", &settings.data_dir);
    if settings.master_key.is_none() {
        warn_if_shared("the master key", &opening::master_key_path(settings));
    }
    if let Some(path) = settings.database_url().expose_secret().strip_prefix("sqlite://") {
        for end in ["", "-wal", "-shm"] {
            warn_if_shared("the database", Path::new(&format!("{path}{end}")));
        }
    }
}

/// Warns of an issuer that is not where this service listens. `port` is the one it got.
fn warn_about_address(settings: &Settings, port: u16) {
    let Ok(issuer) = Url::parse(&settings.issuer) else { return }; // the settings were checked
    let has_tls = settings.tls.files().is_some();
    let is_https = issuer.scheme() == "https";
    if has_tls && !is_https {
        log::warn!(
            "tls.certificate is set, but the issuer is {}: verifiers that ask there in plain text get no answer. Set issuer to \
             the https URL",
            settings.issuer
        );
    }
    // Elsewhere something in front has the issuer's port: a proxy.
    let is_direct = !matches!(settings.listen, Listen::Unix(_))
        && settings.http.trusted_proxies.is_empty()
        && has_tls == is_https;
    if is_direct && issuer.port_or_known_default() != Some(port) {
        log::warn!(
            "the issuer is {}, but the port of this service is {port}: unless something in front leads from one to the other, \
             verifiers do not find it",
            settings.issuer
        );
    }
}

/// From here on tokens live for days.
const LONG_ACCESS_TTL: Duration = Duration::from_secs(24 * 3600);

fn warn_about(settings: &Settings) {
    if settings.tokens.algorithm == Algorithm::HS256 {
        log::warn!(
            "HS256: every service that knows the shared secret can sign tokens, and a logout reaches other services \
             only when the access token expires"
        );
    }
    if settings.passwords.algorithm == PasswordAlgorithm::Bcrypt && settings.passwords.bcrypt_cost < 10 {
        log::warn!("bcrypt cost {} is below 10: guessing is cheap", settings.passwords.bcrypt_cost);
    }
    if settings.tokens.access_ttl >= LONG_ACCESS_TTL {
        log::warn!(
            "tokens.access_ttl is {} hours: services that are cut off from this one, or that do not read status lists, believe \
             an access token for that long after a logout",
            settings.tokens.access_ttl.as_secs() / 3600
        );
    }
    for origin in settings.cors.plain_origins() {
        log::warn!(
            "cors.allowed_origins: whoever is on the way can change pages of {origin}, and use cookies then"
        );
    }
    warn_of_other_sites("cors.allowed_origins", &settings.cors.allowed_origins, &settings.issuer);
}
