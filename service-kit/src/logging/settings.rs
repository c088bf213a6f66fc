//! The `[log]` section of the settings.

use std::time::Duration;

use serde::Deserialize;

use crate::settings::{HOUR, Number, Seconds};

/// The settings for lines that are written before the settings are read.
pub(super) const DEFAULTS: LogSettings =
    LogSettings { max_line_bytes: 2048, burst: 100, per_minute: 120, report_every: Duration::from_secs(60) };

/// The `[log]` section of the settings; `config.default.toml` documents each one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct LogSettings {
    #[serde(with = "Number::<256, { 64 << 10 }>")]
    pub max_line_bytes: usize,
    #[serde(with = "Number::<1, 1_000_000>")]
    pub burst: u32,
    #[serde(with = "Number::<1, 1_000_000>")]
    pub per_minute: u32,
    #[serde(with = "Seconds::<1, HOUR>")]
    pub report_every: Duration,
}
