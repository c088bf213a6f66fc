//! The `[http]` section of the settings.

use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use crate::head::HeadLimits;
use crate::listen::Listen;
use crate::settings::{HOUR, Number, Seconds, SettingsError, WholeSeconds, network_list};
use crate::tls::TlsSettings;

/// The most bytes of target and headers together; the rest of actix-http's 128 KiB is for the request line and line breaks.
const MAX_HEAD_BYTES: usize = 124 << 10;

/// The `[http]` section of the settings; `config.default.toml` documents each one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
// actix takes a duration of 0 for no limit at all, and its deadlines come up to half a second early: hence at least 1s.
pub struct HttpSettings {
    #[serde(with = "Number::<0, 1024>")]
    pub workers: usize,
    #[serde(with = "Number::<1, 1_000_000>")]
    pub max_connections: usize,
    #[serde(with = "Number::<1, 1_000_000>")]
    pub max_connections_per_address: usize,
    #[serde(with = "Number::<1024, { 16 << 20 }>")]
    pub max_body_bytes: usize,
    #[serde(with = "Seconds::<1, HOUR>")]
    pub body_timeout: Duration,
    #[serde(with = "Seconds::<1, HOUR>")]
    pub head_timeout: Duration,
    #[serde(with = "Seconds::<1, HOUR>")]
    pub keep_alive: Duration,
    #[serde(with = "Seconds::<1, HOUR>")]
    pub write_timeout: Duration,
    #[serde(with = "Seconds::<1, HOUR>")]
    pub close_timeout: Duration,
    #[serde(with = "WholeSeconds::<1, HOUR>")] // actix-server takes seconds
    pub shutdown_timeout: Duration,
    #[serde(with = "Number::<1024, { 64 << 10 }>")]
    pub max_target_bytes: usize,
    #[serde(with = "Number::<1024, { 120 << 10 }>")] // actix-http takes at most 128 KiB
    pub max_header_bytes: usize,
    #[serde(with = "Number::<16, 96>")]
    pub max_headers: usize,
    pub allow_plain_text: bool,
    #[serde(deserialize_with = "network_list")]
    pub trusted_proxies: Vec<IpNet>,
}

impl HttpSettings {
    /// Checks the sum of the bounds of a request's head.
    ///
    /// # Errors
    /// It is more than actix-http takes.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.max_target_bytes + self.max_header_bytes <= MAX_HEAD_BYTES {
            return Ok(());
        }
        let reason = "must not be more than 124 KiB together with http.max_target_bytes";
        Err(SettingsError::invalid("http.max_header_bytes", reason))
    }

    /// Checks that tokens and passwords cross no network in plain text, unless the operator allows that by name.
    ///
    /// # Errors
    /// `listen` is not a loopback address, there is no TLS, and plain text is not allowed.
    pub fn check_listen(&self, listen: &Listen, tls: &TlsSettings) -> Result<(), SettingsError> {
        let safe = listen.is_local() || tls.files().is_some();
        if safe || self.allow_plain_text {
            return Ok(());
        }
        let reason = "is not a loopback address, and tokens would cross the network in plain text: set tls.certificate \
                      and tls.key, or http.allow_plain_text = true where TLS ends at a proxy in front";
        Err(SettingsError::invalid("listen", reason))
    }

    pub(crate) fn head_limits(&self) -> HeadLimits {
        HeadLimits {
            target_bytes: self.max_target_bytes,
            header_bytes: self.max_header_bytes,
            header_lines: self.max_headers,
        }
    }
}
