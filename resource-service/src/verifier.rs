//! Makes the `Verifier` from the settings: which issuer's tokens are accepted, and with which keys. No other file decides whom
//! this service trusts.

use secrecy::ExposeSecret as _;
use service_kit::settings::SettingsError;
use shared_claims::{
    Policy, Remote, Verifier,
    error::SetupError,
    http::{CookieSource, Sources, TokenSource},
};

use crate::counter::TokenCounter;
use crate::error::StartError;
use crate::metadata;
use crate::settings::{Settings, Source};

/// Returns a verifier that is not started: it has fetched nothing.
///
/// # Errors
/// A setting is invalid.
pub(crate) fn from_settings(settings: &Settings) -> Result<Verifier, StartError> {
    let sources = sources(settings)?;
    let metadata = metadata::describe(settings)?;
    let made = Policy::new(&settings.issuer, &settings.audience).and_then(|policy| {
        let mut policy = policy.realm("resource-service");
        if let Some(metadata) = metadata {
            policy = policy.resource_metadata(metadata.url());
        }
        match &settings.shared_secret {
            Some(secret) => Verifier::with_shared_secret(policy, secret.expose_secret().as_bytes()),
            None => Verifier::remote(policy, remote(settings)),
        }
    });
    made.map(|verifier| verifier.with_sources(sources).with_observer(TokenCounter::default()))
        .map_err(|error| name_setting(settings, error))
}

/// Returns whether a cookie may contain a token.
pub(crate) fn takes_cookies(settings: &Settings) -> bool {
    settings.token_sources.contains(&Source::Cookie)
}

/// Returns the parts of a request that may contain a token.
fn sources(settings: &Settings) -> Result<Sources, SettingsError> {
    let cookie = CookieSource::default()
        .allow_origins(&settings.allowed_origins)
        .map_err(|error| SettingsError::invalid("allowed_origins", error))?;
    let sources = settings.token_sources.iter().map(|source| match source {
        Source::Header => TokenSource::Header,
        Source::Cookie => TokenSource::Cookie(cookie.clone()),
        Source::Query => TokenSource::Query,
    });
    Ok(sources.collect())
}

fn remote(settings: &Settings) -> Remote {
    let mut remote = Remote::discover()
        .allow_http_hosts(&settings.allow_http)
        .max_staleness(settings.max_staleness)
        .longest_token_lifetime(settings.longest_token_lifetime)
        .snapshot(settings.data_dir.join("verifier.json"));
    if let Some(url) = &settings.jwks_uri {
        remote = remote.jwks_uri(url);
    }
    if let Some(url) = &settings.issuer_internal_url {
        remote = remote.internal_url(url);
    }
    if let Some(pem) = &settings.issuer_ca {
        remote = remote.ca_file_pem(pem.as_str());
    }
    if let (Some(id), Some(secret)) = (&settings.client_id, &settings.client_secret) {
        remote = remote.credentials(id, secret.expose_secret());
    }
    remote
}

/// Returns an error of the setting that is the cause.
fn name_setting(settings: &Settings, error: SetupError) -> StartError {
    let key = match &error {
        SetupError::NoAudience => "audience",
        SetupError::ShortSecret => "shared_secret",
        SetupError::Certificates => "issuer_ca",
        SetupError::Url(url, _) if is(url, settings.jwks_uri.as_deref()) => "jwks_uri",
        SetupError::Url(url, _) if settings.issuer_internal_url.is_some() && *url != settings.issuer => {
            "issuer_internal_url"
        }
        SetupError::NoIssuer | SetupError::Url(..) => "issuer",
        _ => return StartError::Verifier(error),
    };
    SettingsError::invalid(key, error).into()
}

/// Returns whether `url` is that of the setting, as it was written or as it was parsed.
fn is(url: &str, setting: Option<&str>) -> bool {
    setting
        .is_some_and(|setting| url.trim_end_matches('/').eq_ignore_ascii_case(setting.trim_end_matches('/')))
}
