//! The `[log]` part of the settings.

use std::time::Duration;

use serde::Deserialize;

use crate::settings::{SettingsError, check_ranges};

/// What goes for lines that are written before the settings are read.
pub(super) const DEFAULTS: LogSettings = LogSettings {
    max_line_bytes: 2048,
    at_once: 100,
    per_minute: 120,
    report_every: Duration::from_secs(60),
};

/// The `[log]` part of the settings; `config.default.toml` says what each one means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct LogSettings {
    pub max_line_bytes: usize,
    pub at_once: u32,
    pub per_minute: u32,
    #[serde(with = "humantime_serde")]
    pub report_every: Duration,
}

impl LogSettings {
    /// # Errors
    /// The first key whose value cannot be meant.
    pub fn check(&self) -> Result<(), SettingsError> {
        check_ranges(&[
            ("log.max_line_bytes", self.max_line_bytes, 256, 64 << 10),
            ("log.at_once", self.at_once as usize, 1, 1_000_000),
            ("log.per_minute", self.per_minute as usize, 1, 1_000_000),
        ])?;
        if (1..=3600).contains(&self.report_every.as_secs()) {
            return Ok(());
        }
        Err(SettingsError::invalid("log.report_every", "must be between 1s and 1h"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_cannot_be_meant_are_named() {
        DEFAULTS.check().unwrap();
        let wrong = [
            ("log.max_line_bytes", LogSettings { max_line_bytes: 10, ..DEFAULTS }),
            ("log.at_once", LogSettings { at_once: 0, ..DEFAULTS }),
            ("log.per_minute", LogSettings { per_minute: 0, ..DEFAULTS }),
            ("log.report_every", LogSettings { report_every: Duration::ZERO, ..DEFAULTS }),
        ];
        for (key, settings) in wrong {
            assert!(settings.check().unwrap_err().to_string().contains(key), "{key}");
        }
    }
}
