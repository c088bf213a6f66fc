//! Warnings at the start about settings that are allowed, and about files that other users can read.

use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use service_kit::Listen;
use service_kit::access::{warn_if_open, warn_if_shared};
use service_kit::cors::warn_of_other_sites;
use shared_claims::verifier::Algorithm;
use url::Url;

use crate::app::opening::master_key_path;
use crate::settings::{PasswordAlgorithm, Settings};

/// A long life of an access token.
const LONG_ACCESS_TTL: Duration = Duration::from_secs(24 * 3600);

pub(super) fn warn_about_settings(settings: &Settings) {
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
            "tokens.access_ttl is {} hours: services that are cut off from this one, or that do not read status lists, accept \
             an access token for that long after a logout",
            settings.tokens.access_ttl.as_secs() / 3600
        );
    }
    for origin in settings.cors.plain_origins() {
        log::warn!(
            "cors.allowed_origins: {origin} has no TLS, so an attacker on the network can change its pages and use their readers' cookies"
        );
    }
    warn_of_other_sites("cors.allowed_origins", &settings.cors.allowed_origins, &settings.issuer);
}

/// Warns if the issuer's URL does not lead to this service. `port` is the one that it listens on.
pub(super) fn warn_about_address(settings: &Settings, port: u16) {
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
    // Otherwise a proxy has the issuer's port.
    let is_direct = !matches!(settings.listen, Listen::Unix(_))
        && settings.http.trusted_proxies.is_empty()
        && has_tls == is_https;
    if is_direct && issuer.port_or_known_default() != Some(port) {
        log::warn!(
            "the issuer is {}, but the port of this service is {port}: unless a proxy forwards one to the other, \
             verifiers do not reach this service",
            settings.issuer
        );
    }
}

/// Warns of existing files that other users can read. New files are private (`service_kit::access`).
pub(super) fn warn_about_files(settings: &Settings) {
    warn_if_open("the data folder", &settings.data_dir);
    if settings.master_key.is_none() {
        warn_if_shared("the master key", &master_key_path(settings));
    }
    if let Some(path) = settings.database_url().expose_secret().strip_prefix("sqlite://") {
        for end in ["", "-wal", "-shm"] {
            warn_if_shared("the database", Path::new(&format!("{path}{end}")));
        }
    }
}
