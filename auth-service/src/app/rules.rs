//! Translates the settings into the rules of the domain, which knows no settings.

use std::sync::Arc;
use std::time::Duration;

use service_kit::{Capacity, Descriptors};
use shared_claims::{error::SetupError, http::CookieSource, verifier::Algorithm};
use url::Url;

use crate::app::start_error::StartError;
use crate::domain::accounts::name_rules::NameRules;
use crate::domain::accounts::roles::Roles;
use crate::domain::accounts::usernames::folded_username;
use crate::domain::audit::{AuditRules, RefusalRules};
use crate::domain::authn::passwords::{Bounds, Hashing, HashingLimits, PasswordPolicy, Peppers, Scheme};
use crate::domain::authn::throttle::{Rule, ThrottleRules};
use crate::domain::keyring::{Lifetimes, Plan};
use crate::domain::maintenance::MaintenanceRules;
use crate::domain::policy::Policy;
use crate::domain::rate::{GrantLimits, MANY_PLACES, Rate, RateLimit};
use crate::domain::sessions::refresh_rows::RefreshRows;
use crate::domain::status_lists::PlaceLimits;
use crate::http::browser::cookies::CookieMode;
use crate::http::request::device::ForwardedHeader;
use crate::http::request::rate_limits::RateLimits;
use crate::settings;
use crate::settings::{PasswordAlgorithm, Settings, WrongPasswords};
use crate::store::engine::store::StoreLimits;

/// Returns the limits of the store.
#[must_use]
pub fn store_limits(settings: &Settings) -> StoreLimits {
    StoreLimits {
        pool_size: settings.database.pool_size,
        timeout: settings.database.timeout,
        write_queue: settings.database.write_queue,
        write_group: settings.database.write_group,
    }
}

/// The files that SQLite opens for a connection: the database, its log, and sometimes a temporary file.
const FILES_PER_DATABASE_CONNECTION: usize = 3;
/// Keys, certificates and the settings, which are read from time to time.
const OTHER_FILES: usize = 16;
/// How long at most a disabled client keeps its streams of events.
const MAX_CLIENT_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Returns how many file descriptors the service needs beside those of its connections.
pub(super) fn descriptors(settings: &Settings) -> Descriptors {
    let connections = settings.database.pool_size as usize + 2; // the writer, and one that is being replaced
    Descriptors { reserve: FILES_PER_DATABASE_CONNECTION * connections + OTHER_FILES, per_connection: 1 }
}

/// Returns how many streams of events there may be with this many connections.
pub(super) fn place_limits(settings: &Settings, capacity: Capacity) -> PlaceLimits {
    let lists = &settings.status_lists;
    PlaceLimits {
        all: capacity.streams(lists.max_listeners),
        per_address: lists.max_listeners_per_address,
        per_client: lists.max_listeners_per_client,
    }
}

/// Logs how many streams of events there may be.
pub(super) fn report_places(settings: &Settings, limits: PlaceLimits) {
    let (all, anonymous) = (limits.all, limits.anonymous());
    log::info!("serves up to {all} streams of events, {anonymous} of them to anonymous listeners");
    let configured = settings.status_lists.max_listeners;
    if all < configured {
        log::warn!(
            "status_lists.max_listeners is {configured}, but there are connections for {all} streams and as many requests"
        );
    }
}

/// Returns how often to check that the clients that listen are still enabled, with the same secret.
pub(super) fn client_check_interval(settings: &Settings) -> Duration {
    settings.status_lists.heartbeat.min(MAX_CLIENT_CHECK_INTERVAL)
}

pub(super) fn plan(settings: &Settings) -> Plan {
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

pub(super) fn audit_rules(settings: &Settings) -> AuditRules {
    AuditRules {
        queue: settings.audit.queue,
        patience: settings.database.timeout,
        flush_interval: settings.audit.flush_interval,
        batch_size: settings.audit.batch,
        checkpoint_interval: settings.audit.anchor,
        refusals: RefusalRules {
            per_second: settings.audit.refusals_per_second,
            from_source: rate(settings.audit.refusals_from_source),
            of_holder: rate(settings.audit.refusals_of_holder),
            first_of_holder: rate(settings.audit.first_refusals_of_holder),
            interval: settings.audit.refusals_interval,
        },
    }
}

fn rate(setting: settings::Rate) -> Rate {
    Rate { at_once: setting.burst, per_minute: setting.per_minute }
}

/// Returns the limit; `None` if limits are disabled.
fn limit(settings: &Settings, setting: settings::Rate) -> Option<RateLimit> {
    settings.limits.enabled.then(|| RateLimit::new(rate(setting)))
}

pub(super) fn rate_limits(settings: &Settings) -> RateLimits {
    RateLimits {
        register: limit(settings, settings.limits.register),
        refresh: limit(settings, settings.limits.refresh),
    }
}

pub(super) fn grant_limits(settings: &Settings) -> GrantLimits {
    let many = |setting| settings.limits.enabled.then(|| RateLimit::with_places(rate(setting), MANY_PLACES));
    GrantLimits {
        session_refresh: many(settings.limits.session_refresh),
        account_refresh: many(settings.limits.account_refresh).map(Arc::new),
        client_grant: limit(settings, settings.limits.client_grant),
    }
}

fn refresh_rows(settings: &Settings) -> RefreshRows {
    match settings.audit.refreshes {
        settings::Refreshes::All => RefreshRows::All,
        settings::Refreshes::FirstOfDay => RefreshRows::FirstOfDay,
        settings::Refreshes::None => RefreshRows::None,
    }
}

pub(super) fn maintenance(settings: &Settings) -> MaintenanceRules {
    MaintenanceRules {
        poll_interval: settings.status_lists.poll_interval,
        clean_up: settings.cleanup.interval,
        keep_ended: settings.cleanup.keep,
        batch_size: settings.cleanup.batch_size,
        keep_audit: settings.audit.keep,
    }
}

pub(super) fn hashing_limits(settings: &Settings) -> HashingLimits {
    HashingLimits {
        threads: settings.hashing.threads,
        low_priority: settings.hashing.low_priority,
        queue: settings.hashing.queue,
        deadline: settings.hashing.deadline,
        waiting_per_pair: settings.limits.enabled.then_some(settings.limits.waiting_per_account),
    }
}

pub(super) fn scheme(settings: &Settings) -> Result<Scheme, StartError> {
    let argon2id = &settings.passwords.argon2id;
    match settings.passwords.algorithm {
        PasswordAlgorithm::Bcrypt => Ok(Scheme::Bcrypt { cost: settings.passwords.bcrypt_cost }),
        PasswordAlgorithm::Argon2id => {
            Scheme::argon2id(argon2id.memory_kib, argon2id.iterations, argon2id.parallelism)
                .map_err(StartError::Argon2id)
        }
    }
}

pub(super) fn throttle_rules(settings: &Settings) -> ThrottleRules {
    let rule = |setting: &WrongPasswords| Rule {
        attempts: setting.attempts,
        window: setting.window,
        first_wait: setting.first_wait,
        longest_wait: setting.longest_wait,
    };
    let limits = &settings.limits;
    ThrottleRules {
        account_from_source: rule(&limits.account_from_source),
        account: rule(&limits.account),
        source: rule(&limits.source),
        trusted_for: limits.trusted_for,
        known_after: limits.known_after,
        patience: settings.hashing.deadline,
    }
}

pub(super) fn hashing(settings: &Settings, scheme: Scheme) -> Hashing {
    let passwords = &settings.passwords;
    let bounds = Bounds {
        bcrypt_cost: passwords.bounds.bcrypt_cost,
        memory_kib: passwords.bounds.memory_kib.into(),
        iterations: passwords.bounds.iterations.into(),
    };
    Hashing::new(scheme, bounds, Peppers::new(passwords.pepper.as_ref(), passwords.pepper_previous.as_ref()))
}

pub(super) fn policy(settings: &Settings, scheme: &Scheme) -> Policy {
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
        refresh_rows: refresh_rows(settings),
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
        min_free: settings.storage.min_free,
        reauthenticate_within: settings.admin.reauthenticate_within,
        names: NameRules {
            rest: settings.accounts.rest,
            most_resting: settings.accounts.max_resting,
            reserved: settings.accounts.reserved.iter().filter_map(|name| folded_username(name)).collect(),
            unverified_email: settings.tokens.unverified_email,
        },
        roles: Roles(settings.roles.iter().map(|(name, role)| (name.clone(), role.scopes.clone())).collect()),
    }
}

/// Returns the names of the service: those of the settings, and the labels of the issuer's host name except the last.
fn service_names(settings: &Settings) -> Vec<String> {
    let issuer = Url::parse(&settings.issuer).ok();
    let host = issuer.as_ref().and_then(Url::domain).unwrap_or_default();
    let labels = host.rsplit_once('.').map_or(host, |(labels, _)| labels).split('.').map(str::to_owned);
    settings.passwords.service_names.iter().cloned().chain(labels).collect()
}

pub(super) fn forwarded_header(settings: &Settings) -> ForwardedHeader {
    match settings.limits.forwarded_header {
        settings::ForwardedHeader::XForwardedFor => ForwardedHeader::XForwardedFor,
        settings::ForwardedHeader::Forwarded => ForwardedHeader::Forwarded,
    }
}

pub(super) fn pages(settings: &Settings) -> Result<CookieSource, SetupError> {
    CookieMode::pages(&settings.issuer, &settings.cors.allowed_origins)
}
