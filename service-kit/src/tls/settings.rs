//! The `[tls]` section of the settings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use actix_web::http::header::HeaderValue;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::settings::{DAY, HOUR, MINUTE, Millis, Seconds, SettingsError};

/// The `[tls]` section of the settings; `config.default.toml` documents each one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct TlsSettings {
    #[serde(default, deserialize_with = "path_of_a_file")]
    pub certificate: Option<PathBuf>,
    #[serde(default, deserialize_with = "path_of_a_file")]
    pub key: Option<PathBuf>,
    #[serde(with = "Millis::<10, { 1000 * HOUR }>")]
    pub poll_interval: Duration,
    #[serde(with = "Millis::<10, { 1000 * MINUTE }>")]
    pub handshake_timeout: Duration,
    #[serde(with = "Seconds::<0, { 3650 * DAY }>")]
    pub expiry_warning: Duration,
    #[serde(with = "Seconds::<0, { 3650 * DAY }>")]
    pub hsts_max_age: Duration,
    pub hsts_include_subdomains: bool,
}

impl TlsSettings {
    /// Checks that a certificate and its key are given together.
    ///
    /// # Errors
    /// One of them is missing.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.certificate.is_some() != self.key.is_some() {
            let missing = if self.key.is_none() { "tls.key" } else { "tls.certificate" };
            let reason = "a certificate and its key are given together, or neither";
            return Err(SettingsError::invalid(missing, reason));
        }
        Ok(())
    }

    /// Returns the paths of the certificate and the key, if they are set.
    #[must_use]
    pub fn files(&self) -> Option<(&Path, &Path)> {
        self.certificate.as_deref().zip(self.key.as_deref())
    }

    /// Returns the value of `Strict-Transport-Security` (RFC 6797 section 6.1) if clients use HTTPS: this service has a
    /// certificate, or `public_url`, the URL of the proxy in front of it, is an https URL. `None` if `hsts_max_age` is 0.
    #[must_use]
    pub fn hsts(&self, public_url: Option<&str>) -> Option<HeaderValue> {
        let https = self.files().is_some()
            || public_url
                .is_some_and(|url| url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://")));
        let seconds = self.hsts_max_age.as_secs();
        let subdomains = if self.hsts_include_subdomains { "; includeSubDomains" } else { "" };
        let value = HeaderValue::try_from(format!("max-age={seconds}{subdomains}"));
        value.ok().filter(|_| https && seconds > 0)
    }
}

/// Reads the path of a file. The content of a file, given by mistake, is refused without repeating it: it may be a private key.
fn path_of_a_file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = Option::<String>::deserialize(deserializer)?.filter(|path| !path.is_empty());
    if path.as_ref().is_some_and(|path| path.contains("-----BEGIN") || path.contains('\n')) {
        return Err(D::Error::custom("this is the path of a file (without _FILE), not its content"));
    }
    Ok(path.map(PathBuf::from))
}
