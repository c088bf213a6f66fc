//! Builds the service from its settings: what `main` starts, and what tests start. `rules` says what the settings mean.

mod rules;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig};
use secrecy::ExposeSecret as _;
use service_kit::access::{warn_if_shared, warn_if_writable};
use service_kit::folder::make_private;
use service_kit::settings::SettingsError;
use service_kit::{App, Capacity, CapacityError, Cors, Endpoint, Tls};
use shared_claims::{
    Verifier,
    error::SetupError,
    verifier::{Algorithm, Clock, KeySet},
};
use tokio::task::spawn_blocking;
use url::Url;

use crate::domain::audit::{Audit, Event, EventKind};
use crate::domain::guessing::Guessing;
use crate::domain::keyring::sealing::{self, MasterKeyError};
use crate::domain::keyring::{Judge, Keyring, KeyringError, Sealer};
use crate::domain::marks::{Marks, MarksError};
use crate::domain::passwords::Hasher;
use crate::domain::revocation::{Places, StatusListPolicy, StatusLists};
use crate::domain::{DatabaseClock, Issuer, Policy, recovery, settle_addresses};
use crate::http::{self, CookieMode, Devices, ImportLimits, Listeners, Metadata};
use crate::settings::{PasswordAlgorithm, Settings};
use crate::store::{Store, StoreError};

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
    Listen(SocketAddr, io::Error),
    #[error("cannot write the metadata: {0}")]
    Metadata(#[from] serde_json::Error),
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
    let issuer = Data::new(Box::pin(assemble(settings, clock)).await?);
    let behind = issuer.marks.is_behind();
    if !behind {
        issuer.publish_lists().await?;
        if let Err(error) = settle_addresses(&issuer.store).await {
            log::warn!("the addresses of accounts were not looked at: {error}");
        }
    }
    let max_age = settings.keys.max_age.as_secs();
    let metadata = Data::new(Metadata::new(&issuer.policy, issuer.keyring.algorithms(), max_age)?);
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
    let cookies = Data::new(CookieMode::new(&rules::pages(settings)?));
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
        http::routes(config, &issuer_path);
    };
    let endpoint = Endpoint {
        name: "auth-service",
        address: settings.listen,
        http: &settings.http,
        capacity,
        tls,
        hsts: settings.tls.hsts(Some(&settings.issuer)),
        refusal: http::refusal,
    };
    rules::report_places(settings, limits);
    let app = App::listen(endpoint, routes).map_err(|error| StartError::Listen(settings.listen, error))?;
    warn_about(settings);
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
        }))
}

fn open_tls(settings: &Settings, clock: Clock) -> Result<Option<Tls>, SettingsError> {
    Tls::open(&settings.tls, Box::new(move || clock.now()))
}

/// The use cases without HTTP: what the command line works with.
///
/// # Errors
/// [`StartError`].
pub async fn build_issuer(settings: &Settings, clock: Clock) -> Result<Issuer, StartError> {
    let issuer = Box::pin(assemble(settings, clock)).await?;
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
async fn assemble(settings: &Settings, clock: Clock) -> Result<Issuer, StartError> {
    make_data_dir(settings)?;
    let sealer = sealer(settings)?;
    let marks = Arc::new(Marks::open(&settings.data_dir)?);
    let store = Store::open(&settings.database_url(), store_limits(settings))?;
    let is_whole = marks.check(&store).await?.is_some();
    let inspecting = Arc::clone(&marks);
    store.inspect(move |db| inspecting.inspect(db));
    let clock = database_clock(&store, clock).await?;
    let scheme = rules::scheme(settings)?;
    let policy = Arc::new(rules::policy(settings, &scheme));
    let accepted = accepted(&policy)?;
    let secret = settings.tokens.shared_secret.as_ref();
    let judge = Judge::new(accepted.clone(), clock.clock(), secret)?;
    let keyring = Keyring::open(&store, sealer, clock.now(), rules::plan(settings), judge, is_whole).await?;
    let audit =
        Audit::start(store.clone(), keyring.audit_keys(), clock.clone(), rules::audit_rules(settings));
    let verifier = Verifier::with_keys(accepted, KeySet::empty())
        .with_clock(clock.clock())
        .with_sources(CookieMode::access_sources(rules::pages(settings)?));
    let hasher = Hasher::start(rules::hashing(settings, scheme), rules::hashing_limits(settings))
        .map_err(|error| StartError::Threads(error.to_string()))?;
    let lists = StatusLists::new(StatusListPolicy {
        lifetime: settings.status_lists.lifetime,
        ttl: settings.status_lists.ttl,
    });
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
        marks,
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
    make_data_dir(settings)?;
    let sealer = sealer(settings)?;
    let marks = Arc::new(Marks::open(&settings.data_dir)?);
    let store = Store::open(&settings.database_url(), store_limits(settings))?;
    let clock = database_clock(&store, clock).await?;
    let (plan, now) = (rules::plan(settings), clock.now());
    let recovered = recovery::recover(&store, &sealer, &plan, marks.highest_epoch(), now).await?;
    let accepted = accepted(&rules::policy(settings, &rules::scheme(settings)?))?;
    let judge = Judge::new(accepted, clock.clock(), settings.tokens.shared_secret.as_ref())?;
    let keyring = Box::pin(Keyring::open(&store, sealer, now, plan, judge, true)).await?;
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

/// Makes the folder for everything that the service keeps.
///
/// # Errors
/// [`StartError::DataDir`].
pub fn make_data_dir(settings: &Settings) -> Result<(), StartError> {
    let folder = &settings.data_dir;
    make_private(folder).map_err(|error| StartError::DataDir(folder.display().to_string(), error))
}

fn sealer(settings: &Settings) -> Result<Sealer, StartError> {
    let generated;
    let current = if let Some(given) = &settings.master_key {
        given
    } else {
        let path = master_key_path(settings);
        let (key, created) = sealing::load_or_create(&path)?;
        if created {
            log::info!(
                "made a master key in {}: keep a copy, without it the signing keys are lost",
                path.display()
            );
        }
        generated = key;
        &generated
    };
    Ok(Sealer::new(current, settings.master_key_previous.as_ref())?)
}

/// Our own routes take every token that we give, whatever its audience: they look at the store as well.
fn accepted(policy: &Policy) -> Result<shared_claims::Policy, SetupError> {
    Ok(shared_claims::Policy::new(&policy.issuer, &policy.allowed_audiences)?.realm("auth-service"))
}

fn master_key_path(settings: &Settings) -> PathBuf {
    settings.data_dir.join("master.key")
}

/// What is there already stays as it is; new files are private (`service_kit::access`).
fn warn_about_files(settings: &Settings) {
    warn_if_writable("the data folder", &settings.data_dir);
    if settings.master_key.is_none() {
        warn_if_shared("the master key", &master_key_path(settings));
    }
    if let Some(path) = settings.database_url().expose_secret().strip_prefix("sqlite://") {
        for end in ["", "-wal", "-shm"] {
            warn_if_shared("the database", Path::new(&format!("{path}{end}")));
        }
    }
}

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
    if !http::browsers_can_refresh(&settings.issuer) {
        log::warn!(
            "the issuer has a path: browsers that keep tokens in cookies cannot refresh, as the cookie is for /token \
             alone"
        );
    }
    for origin in settings.cors.plain_origins() {
        log::warn!(
            "cors.allowed_origins: whoever is on the way can change pages of {origin}, and use cookies then"
        );
    }
}
