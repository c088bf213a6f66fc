//! The settings as types. `config.default.toml` documents each one; `service-kit` reads the sources.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use service_kit::settings::{DAY, Number, Seconds, SettingsError, Variables, comma_list, load, parsed_list};
use service_kit::{HttpSettings, Listen, LogSettings, SocketSettings, StorageSettings, TlsSettings};

/// Every setting with its default; also the documentation.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// The settings of resource-service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Settings {
    pub listen: Listen,
    pub issuer: String,
    #[serde(deserialize_with = "comma_list")]
    pub audience: Vec<String>,
    pub data_dir: PathBuf,
    #[serde(deserialize_with = "parsed_list")]
    pub token_sources: Vec<Source>,
    #[serde(deserialize_with = "comma_list")]
    pub allowed_origins: Vec<String>,
    #[serde(with = "Seconds::<0, DAY>")] // no browser remembers a preflight for longer
    pub preflight_max_age: Duration,
    #[serde(default)]
    pub public_url: Option<String>,
    #[serde(with = "Seconds::<1, { 30 * DAY }>")]
    pub max_staleness: Duration,
    #[serde(with = "Seconds::<1, { 30 * DAY }>")]
    pub longest_token_lifetime: Duration,
    #[serde(deserialize_with = "comma_list")]
    pub allow_http: Vec<String>,
    #[serde(default)]
    pub jwks_uri: Option<String>,
    #[serde(default)]
    pub issuer_internal_url: Option<String>,
    #[serde(default)]
    pub issuer_ca: Option<String>,
    #[serde(default)]
    pub client_id: Option<String>,
    #[serde(default)]
    pub client_secret: Option<SecretString>,
    #[serde(default)]
    pub shared_secret: Option<SecretString>,
    pub database: Database,
    pub socket: SocketSettings,
    pub storage: StorageSettings,
    pub http: HttpSettings,
    pub tls: TlsSettings,
    pub log: LogSettings,
}

/// The part of a request that contains the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `Authorization: Bearer …` (RFC 6750 section 2.1).
    Header,
    /// `__Host-access`.
    Cookie,
    /// `?access_token=…` (RFC 6750 section 2.3).
    Query,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct Database {
    #[serde(with = "Number::<1, 1024>")]
    pub pool_size: u32,
    #[serde(with = "Seconds::<1, { 30 * DAY }>")]
    pub timeout: Duration,
}

impl Settings {
    /// Reads and checks the settings. URLs are checked when the verifier is built.
    ///
    /// # Errors
    /// A key is unknown, has the wrong type, or is invalid.
    pub fn load(env: &Variables) -> Result<Self, SettingsError> {
        let settings: Self = load("RESOURCE", DEFAULTS, &[], env)?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), SettingsError> {
        self.http.check()?;
        self.tls.check()?;
        self.http.check_listen(&self.listen, &self.tls)?;
        if self.token_sources.is_empty() {
            return Err(SettingsError::invalid("token_sources", "at least one source is needed"));
        }
        self.check_credentials()
    }

    /// Checks that a client has both an id and a secret.
    fn check_credentials(&self) -> Result<(), SettingsError> {
        let id = self.client_id.as_deref().is_some_and(|id| !id.trim().is_empty());
        let secret =
            self.client_secret.as_ref().is_some_and(|secret| !secret.expose_secret().trim().is_empty());
        if !id && (self.client_id.is_some() || self.client_secret.is_some()) {
            return Err(SettingsError::invalid("client_id", "must be set together with client_secret"));
        }
        if id && !secret {
            return Err(SettingsError::invalid("client_secret", "must be set together with client_id"));
        }
        Ok(())
    }
}

/// A text that is no source of tokens.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is none of header, cookie, query")]
pub struct SourceError(String);

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(name: &str) -> Result<Self, SourceError> {
        match name {
            "header" => Ok(Self::Header),
            "cookie" => Ok(Self::Cookie),
            "query" => Ok(Self::Query),
            _ => Err(SourceError(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_with(name: &str, value: &str) -> Result<Settings, SettingsError> {
        Settings::load(&Variables::from([(name.to_owned(), value.to_owned())]))
    }

    #[test]
    fn the_defaults_are_valid() {
        Settings::load(&Variables::new()).unwrap();
    }

    #[test]
    fn lists_are_written_with_commas() {
        let sources = load_with("RESOURCE__TOKEN_SOURCES", "header, cookie,query").unwrap().token_sources;
        assert_eq!(sources, [Source::Header, Source::Cookie, Source::Query]);
        let proxies = load_with("RESOURCE__HTTP__TRUSTED_PROXIES", "10.0.0.0/8,::1/128").unwrap();
        assert_eq!(proxies.http.trusted_proxies.len(), 2);
    }

    #[test]
    fn invalid_settings_are_named() {
        let rows = [
            ("RESOURCE__LISTEN", "everywhere", "listen"),
            ("RESOURCE__TOKEN_SOURCES", "header,body", "token_sources"),
            ("RESOURCE__TOKEN_SOURCES", ",", "token_sources"),
            ("RESOURCE__PREFLIGHT_MAX_AGE", "2d", "preflight_max_age"),
            ("RESOURCE__MAX_STALENESS", "0s", "max_staleness"),
            ("RESOURCE__LONGEST_TOKEN_LIFETIME", "31d", "longest_token_lifetime"),
            ("RESOURCE__CLIENT_ID", "orders", "client_secret"),
            ("RESOURCE__CLIENT_ID", " ", "client_id"),
            ("RESOURCE__CLIENT_SECRET", "a secret", "client_id"),
            ("RESOURCE__STORAGE__MIN_FREE", "2000000000000", "storage.min_free"),
            ("RESOURCE__DATABASE__POOL_SIZE", "0", "database.pool_size"),
            ("RESOURCE__HTTP__TRUSTED_PROXIES", "everyone", "http.trusted_proxies"),
            ("RESOURCE__LISTEN", "192.0.2.1:8081", "`listen`"),
            ("RESOURCE__TLS__CERTIFICATE", "certificate.pem", "`tls.key`"),
            ("RESOURCE__NO_SUCH_THING", "1", "no_such_thing"),
        ];
        for (name, value, key) in rows {
            let error = load_with(name, value).unwrap_err().to_string();
            assert!(error.contains(key), "{name}={value}: {error}");
        }
    }

    /// The keys of the defaults with their values, those of sections with the name of the section.
    fn keys() -> Vec<(String, &'static str)> {
        let (mut section, mut keys) = (String::new(), Vec::new());
        for line in DEFAULTS.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = format!("{}__", name.to_uppercase());
            } else if let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
                keys.push((format!("RESOURCE__{section}{}", key.to_uppercase()), value));
            }
        }
        keys
    }

    #[test]
    fn every_number_and_every_duration_has_bounds() {
        let mut checked = 0;
        for (variable, value) in keys() {
            let too_much = match value.trim_matches('"') {
                number if number.bytes().all(|byte| byte.is_ascii_digit()) && value == number => {
                    "9000000000000000"
                }
                text if text.starts_with(|char: char| char.is_ascii_digit())
                    && text.ends_with(['s', 'm', 'h', 'd']) =>
                {
                    "99999d"
                }
                _ => continue,
            };
            let error = load_with(&variable, too_much).unwrap_err().to_string();
            assert!(error.contains(&variable) && error.contains("is not between"), "{error}");
            checked += 1;
        }
        assert!(checked > 20, "{checked}");
    }

    #[test]
    fn the_shared_secret_does_not_show_in_debug_output() {
        let secret = "a secret of more than thirty-two bytes";
        let settings = load_with("RESOURCE__SHARED_SECRET", secret).unwrap();
        assert!(!format!("{settings:?}").contains(secret));
    }

    #[test]
    fn the_secret_of_the_client_does_not_show_in_debug_output() {
        let secret = "s3cret of a client";
        let variables = [("RESOURCE__CLIENT_ID", "orders"), ("RESOURCE__CLIENT_SECRET", secret)];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Settings::load(&Variables::from(variables)).unwrap();
        assert!(!format!("{settings:?}").contains(secret) && format!("{settings:?}").contains("orders"));
    }
}
