//! Builds the service from its settings: what `main` starts, and what tests start.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::web::{Data, ServiceConfig};
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::folder::make_private;
use service_kit::settings::SettingsError;
use service_kit::{App, Cors, Endpoint, Tls};
use shared_claims::{
    Verifier,
    error::{KeySetError, SetupError},
    http::CookieSource,
    verifier::{Algorithm, Clock, KeySet},
};
use url::Url;

use crate::domain::audit::{Audit, AuditRules, Event, EventKind};
use crate::domain::guessing::{Guessing, GuessingRules, Rule};
use crate::domain::keyring::sealing::{self, MasterKeyError};
use crate::domain::keyring::{Keyring, KeyringError, Lifetimes, Plan, Sealer};
use crate::domain::passwords::{Bounds, Hasher, Hashing, HashingLimits, PasswordPolicy, Peppers, Scheme};
use crate::domain::revocation::{StatusListPolicy, StatusLists};
use crate::domain::rights::Roles;
use crate::domain::upkeep::Upkeep;
use crate::domain::{DatabaseClock, Issuer, Policy, recovery};
use crate::http::{self, CookieMode, Devices, ImportLimits, Listeners, Metadata, Rates};
use crate::settings::{PasswordAlgorithm, Settings, WrongPasswords};
use crate::store::{Store, StoreError, StoreLimits};

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
    #[error("our own key set cannot be read: {0}")]
    KeySet(#[from] KeySetError),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    #[error("cannot write the metadata: {0}")]
    Metadata(#[from] serde_json::Error),
    #[error("cannot serve: {0}")]
    Serve(io::Error),
}

/// Opens everything that `settings` name, and listens.
///
/// # Errors
/// [`StartError`], as a sentence for the operator.
pub async fn build(settings: &Settings, clock: Clock) -> Result<App, StartError> {
    let tls = open_tls(settings, clock.clone())?;
    let issuer = Data::new(build_issuer(settings, clock).await?);
    issuer.publish_lists().await?;
    let max_age = settings.keys.max_age.as_secs();
    let metadata = Data::new(Metadata::new(&issuer.policy, issuer.keyring.algorithms(), max_age)?);
    let devices = Data::new(Devices::new(
        settings.sessions.max_user_agent_chars,
        &settings.http.trusted_proxies,
        settings.limits.forwarded_header,
    ));
    let rates = Data::new(Rates::new(&settings.limits));
    let listeners =
        Data::new(Listeners::new(settings.status_lists.max_listeners, settings.status_lists.heartbeat));
    let import = Data::new(ImportLimits {
        max_body_bytes: settings.import.max_body_bytes,
        max_lines: settings.import.max_lines,
    });
    let cookies = Data::new(CookieMode::new(&pages(settings)?));
    let cors = Cors::new(&settings.cors.allowed_origins, settings.cors.preflight_max_age);
    let issuer_path =
        Url::parse(&settings.issuer).map_or_else(|_| String::new(), |url| url.path().to_owned());
    let upkeep = Upkeep {
        look: settings.status_lists.look,
        clean_up: settings.cleanup.interval,
        keep_ended: settings.cleanup.keep,
        step: settings.cleanup.step,
        keep_audit: settings.audit.keep,
    };
    let (background, audit) = (issuer.clone(), issuer.audit.clone());
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
        tls,
        hsts: settings.tls.hsts(Some(&settings.issuer)),
        refusal: http::refusal,
    };
    let app = App::listen(endpoint, routes).map_err(|error| StartError::Listen(settings.listen, error))?;
    warn_about(settings);
    log::info!("issues tokens as {}", settings.issuer);
    audit.begin().await;
    Ok(app
        .beside(async move { background.keep_up(upkeep).await })
        .afterwards(async move { audit.close().await }))
}

fn open_tls(settings: &Settings, clock: Clock) -> Result<Option<Tls>, SettingsError> {
    Tls::open(&settings.tls, Box::new(move || clock.now()))
}

/// The use cases without HTTP: what `build` serves, and what the command line works with.
///
/// # Errors
/// [`StartError`].
pub async fn build_issuer(settings: &Settings, clock: Clock) -> Result<Issuer, StartError> {
    make_data_dir(settings)?;
    let sealer = sealer(settings)?;
    let store = Store::open(&settings.database_url(), store_limits(settings))?;
    let clock = database_clock(&store, clock).await?;
    let keyring = Keyring::open(&store, sealer, clock.now(), plan(settings)).await?;
    let audit = Audit::start(store.clone(), keyring.audit_keys(), clock.clone(), audit_rules(settings));
    let scheme = scheme(settings)?;
    let policy = policy(settings, &scheme);
    let secret = settings.tokens.shared_secret.as_ref();
    let verifier = verifier(&policy, &keyring, secret)?
        .with_clock(clock.clock())
        .with_sources(CookieMode::access_sources(pages(settings)?));
    let limits = HashingLimits {
        threads: settings.hashing.threads,
        queue: settings.hashing.queue,
        deadline: settings.hashing.deadline,
    };
    let hashing = hashing(settings, scheme);
    let hasher = Hasher::start(hashing, limits).map_err(|error| StartError::Threads(error.to_string()))?;
    let lists = StatusLists::new(StatusListPolicy {
        lifetime: settings.status_lists.lifetime,
        ttl: settings.status_lists.ttl,
    });
    let guessing = settings.limits.enabled.then(|| Guessing::new(guessing_rules(settings)));
    let issuer = Issuer { store, clock, keyring, hasher, guessing, audit, lists, verifier, policy };
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
    let store = Store::open(&settings.database_url(), store_limits(settings))?;
    let clock = database_clock(&store, clock).await?;
    let recovered = recovery::recover(&store, &sealer, &plan(settings), clock.now()).await?;
    let keyring = Keyring::open(&store, sealer, clock.now(), plan(settings)).await?;
    let audit = Audit::start(store, keyring.audit_keys(), clock, audit_rules(settings));
    let event = Event::of(EventKind::Recovered).with("ended", recovered.ended);
    let event =
        event.with("lost_keys", recovered.lost_audit_keys).with("newest_chain", recovered.newest_chain);
    audit.record(event).await;
    audit.close().await;
    Ok(recovered.ended)
}

fn audit_rules(settings: &Settings) -> AuditRules {
    AuditRules {
        queue: settings.audit.queue,
        patience: settings.database.timeout,
        linger: settings.audit.linger,
        batch: settings.audit.batch,
        anchor: settings.audit.anchor,
        refusals_per_second: settings.audit.refusals_per_second,
    }
}

/// The clock of the database, which all replicas share.
async fn database_clock(store: &Store, local: Clock) -> Result<DatabaseClock, StoreError> {
    let clock = DatabaseClock::new(local);
    if let Some(now) = store.time().await? {
        clock.observe(now);
    }
    Ok(clock)
}

fn plan(settings: &Settings) -> Plan {
    Plan {
        algorithm: settings.tokens.algorithm,
        shared_secret: settings.tokens.shared_secret.clone(),
        rotate_every: settings.keys.rotate_every,
        publish_ahead: settings.keys.publish_ahead,
        max_age: settings.keys.max_age,
        lifetimes: Lifetimes {
            access_token: seconds(settings.tokens.access_ttl),
            status_list: seconds(settings.status_lists.lifetime),
        },
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// How much the store may do, by the settings.
#[must_use]
pub fn store_limits(settings: &Settings) -> StoreLimits {
    StoreLimits {
        pool_size: settings.database.pool_size,
        timeout: settings.database.timeout,
        write_queue: settings.database.write_queue,
        write_group: settings.database.write_group,
    }
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
        let path = settings.data_dir.join("master.key");
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

fn scheme(settings: &Settings) -> Result<Scheme, StartError> {
    let argon2id = &settings.passwords.argon2id;
    match settings.passwords.algorithm {
        PasswordAlgorithm::Bcrypt => Ok(Scheme::Bcrypt { cost: settings.passwords.bcrypt_cost }),
        PasswordAlgorithm::Argon2id => {
            Scheme::argon2id(argon2id.memory_kib, argon2id.iterations, argon2id.parallelism)
                .map_err(StartError::Argon2id)
        }
    }
}

fn guessing_rules(settings: &Settings) -> GuessingRules {
    let rule = |setting: &WrongPasswords| Rule {
        free: setting.free,
        window: setting.window,
        first_wait: setting.first_wait,
        longest_wait: setting.longest_wait,
    };
    let limits = &settings.limits;
    GuessingRules {
        account_from_source: rule(&limits.account_from_source),
        account: rule(&limits.account),
        source: rule(&limits.source),
        welcome: limits.welcome,
        waiting: settings.hashing.queue,
        patience: settings.hashing.deadline,
    }
}

fn hashing(settings: &Settings, scheme: Scheme) -> Hashing {
    let passwords = &settings.passwords;
    let bounds = Bounds {
        bcrypt_cost: passwords.bounds.bcrypt_cost,
        memory_kib: passwords.bounds.memory_kib.into(),
        iterations: passwords.bounds.iterations.into(),
    };
    Hashing::new(scheme, bounds, Peppers::new(passwords.pepper.as_ref(), passwords.pepper_previous.as_ref()))
}

fn policy(settings: &Settings, scheme: &Scheme) -> Policy {
    let mut allowed_audiences = settings.audience.clone();
    allowed_audiences.extend(settings.resources.iter().cloned());
    allowed_audiences.push(settings.issuer.clone());
    Policy {
        issuer: settings.issuer.clone(),
        default_audience: settings.audience.clone(),
        allowed_audiences,
        access_ttl: settings.tokens.access_ttl,
        refresh_grace: settings.tokens.refresh_grace,
        repeat_elsewhere_is_theft: settings.tokens.repeat_elsewhere_is_theft,
        statuses: settings.tokens.algorithm != Algorithm::HS256,
        idle_ttl: settings.sessions.idle_ttl,
        absolute_ttl: settings.sessions.absolute_ttl,
        registration_open: settings.registration.open,
        passwords: PasswordPolicy::new(
            settings.passwords.min_length,
            settings.passwords.max_length,
            scheme,
            settings.passwords.pepper.is_some(),
        )
        .of_service(service_names(settings)),
        roles: Roles(settings.roles.iter().map(|(name, role)| (name.clone(), role.scopes.clone())).collect()),
    }
}

/// What the settings say, and the parts of the issuer's name but for the last one.
fn service_names(settings: &Settings) -> Vec<String> {
    let issuer = Url::parse(&settings.issuer).ok();
    let host = issuer.as_ref().and_then(Url::domain).unwrap_or_default();
    let labels = host.rsplit_once('.').map_or(host, |(labels, _)| labels).split('.').map(str::to_owned);
    settings.passwords.service_names.iter().cloned().chain(labels).collect()
}

fn pages(settings: &Settings) -> Result<CookieSource, SetupError> {
    CookieMode::pages(&settings.issuer, &settings.cors.allowed_origins)
}

/// Our own routes take every token that we give, whatever its audience: they look at the store as well.
fn verifier(
    policy: &Policy,
    keyring: &Keyring,
    secret: Option<&SecretString>,
) -> Result<Verifier, StartError> {
    let accepted =
        shared_claims::Policy::new(&policy.issuer, &policy.allowed_audiences)?.realm("auth-service");
    match secret {
        Some(secret) => Ok(Verifier::with_shared_secret(accepted, secret.expose_secret().as_bytes())?),
        None => Ok(Verifier::with_keys(accepted, KeySet::from_json(keyring.published().json.as_bytes())?)),
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
    for origin in settings.cors.plain_origins() {
        log::warn!(
            "cors.allowed_origins: whoever is on the way can change pages of {origin}, and use cookies then"
        );
    }
}
