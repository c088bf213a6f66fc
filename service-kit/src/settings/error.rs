//! What is wrong with a setting.

use std::fmt::Display;

/// A setting that is missing, unknown or invalid. Its text names the key, and never repeats a secret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

impl SettingsError {
    /// Returns an error for a value that has the right type and is still invalid. `key` is written like
    /// `tokens.access_ttl`.
    #[must_use]
    pub fn invalid(key: &str, reason: impl Display) -> Self {
        Self(format!("setting `{key}`: {reason}"))
    }

    /// Returns an error with this text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}
