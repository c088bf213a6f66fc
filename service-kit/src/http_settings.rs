//! The `[http]` part of the settings.

use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use crate::head::HeadLimits;
use crate::listen::Listen;
use crate::settings::{SettingsError, check_ranges, network_list};
use crate::tls::TlsSettings;

/// The `[http]` part of the settings; `config.default.toml` says what each one means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct HttpSettings {
    pub workers: usize,
    pub max_connections: usize,
    pub max_connections_per_address: usize,
    pub max_body_bytes: usize,
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub close_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub shutdown_timeout: Duration,
    pub max_target_bytes: usize,
    pub max_header_bytes: usize,
    pub max_headers: usize,
    pub allow_plain_text: bool,
    #[serde(deserialize_with = "network_list")]
    pub trusted_proxies: Vec<IpNet>,
}

impl HttpSettings {
    /// # Errors
    /// The first key whose value cannot be meant.
    pub fn check(&self) -> Result<(), SettingsError> {
        check_ranges(&[
            ("http.workers", self.workers, 0, 1024),
            ("http.max_connections", self.max_connections, 1, 1_000_000),
            ("http.max_connections_per_address", self.max_connections_per_address, 1, 1_000_000),
            ("http.max_body_bytes", self.max_body_bytes, 1024, 16 << 20),
            ("http.max_target_bytes", self.max_target_bytes, 1024, 64 << 10),
            ("http.max_header_bytes", self.max_header_bytes, 1024, 120 << 10), // actix-http's own end is 128 KiB
            ("http.max_headers", self.max_headers, 16, 96),
        ])?;
        let durations = [
            ("http.body_timeout", self.body_timeout),
            ("http.head_timeout", self.head_timeout),
            ("http.keep_alive", self.keep_alive),
            ("http.write_timeout", self.write_timeout),
            ("http.close_timeout", self.close_timeout),
        ];
        if self.max_target_bytes + self.max_header_bytes > 124 << 10 {
            let reason = "must not be more than 124 KiB together with http.max_target_bytes";
            return Err(SettingsError::invalid("http.max_header_bytes", reason));
        }
        let whole_seconds = self.shutdown_timeout.subsec_nanos() == 0;
        if !whole_seconds || !(1..=3600).contains(&self.shutdown_timeout.as_secs()) {
            let reason = "must be between 1s and 1h, in whole seconds";
            return Err(SettingsError::invalid("http.shutdown_timeout", reason));
        }
        // To actix, 0 stands for no limit at all, and its deadlines come up to half a second early.
        let meant = Duration::from_secs(1)..=Duration::from_secs(3600);
        match durations.iter().find(|(_, value)| !meant.contains(value)) {
            None => Ok(()),
            Some((key, _)) => Err(SettingsError::invalid(key, "must be between 1s and 1h")),
        }
    }

    /// Tokens and passwords cross no network in plain text unless the operator says so by name.
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
