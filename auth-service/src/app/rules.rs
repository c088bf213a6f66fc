//! What the settings mean to the domain: each part of it is told its rules in its own terms, and knows no settings.

use std::time::Duration;

use shared_claims::{error::SetupError, http::CookieSource, verifier::Algorithm};
use url::Url;

use super::StartError;
use crate::domain::Policy;
use crate::domain::accounts::folded_username;
use crate::domain::audit::AuditRules;
use crate::domain::guessing::{GuessingRules, Rule};
use crate::domain::keyring::{Lifetimes, Plan};
use crate::domain::names::NameRules;
use crate::domain::passwords::{Bounds, Hashing, HashingLimits, PasswordPolicy, Peppers, Scheme};
use crate::domain::rights::Roles;
use crate::domain::upkeep::Upkeep;
use crate::http::CookieMode;
use crate::settings::{PasswordAlgorithm, Settings, WrongPasswords};
use crate::store::StoreLimits;

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
        linger: settings.audit.linger,
        batch: settings.audit.batch,
        anchor: settings.audit.anchor,
        refusals_per_second: settings.audit.refusals_per_second,
    }
}

pub(super) fn upkeep(settings: &Settings) -> Upkeep {
    Upkeep {
        look: settings.status_lists.look,
        clean_up: settings.cleanup.interval,
        keep_ended: settings.cleanup.keep,
        step: settings.cleanup.step,
        keep_audit: settings.audit.keep,
    }
}

pub(super) fn hashing_limits(settings: &Settings) -> HashingLimits {
    HashingLimits {
        threads: settings.hashing.threads,
        queue: settings.hashing.queue,
        deadline: settings.hashing.deadline,
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

pub(super) fn guessing_rules(settings: &Settings) -> GuessingRules {
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
        names: NameRules {
            rest: settings.accounts.rest,
            most_resting: settings.accounts.max_resting,
            reserved: settings.accounts.reserved.iter().filter_map(|name| folded_username(name)).collect(),
            unverified_email: settings.tokens.unverified_email,
        },
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

pub(super) fn pages(settings: &Settings) -> Result<CookieSource, SetupError> {
    CookieMode::pages(&settings.issuer, &settings.cors.allowed_origins)
}
