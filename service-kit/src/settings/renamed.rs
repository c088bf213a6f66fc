//! Settings that were renamed: the old name is an error that names the new one.

use config::{Config, ConfigError, Value};

use super::error::SettingsError;
use super::variables::variable;

/// Keys of the sections that both services have.
const SHARED: [Renamed; 2] = [renamed("tls.look", "tls.poll_interval"), renamed("log.at_once", "log.burst")];

/// A key that was renamed. Made by [`renamed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renamed {
    pub(super) old: &'static str,
    pub(super) new: &'static str,
}

/// Declares that the key `old` is called `new` now: `renamed("status_lists.look", "status_lists.poll_interval")`.
///
/// Both may be the names of sections. A service lists all of them in a constant, and gives it to [`load`](super::load).
#[must_use]
pub const fn renamed(old: &'static str, new: &'static str) -> Renamed {
    Renamed { old, new }
}

/// Refuses old names, whether they are in the file or in variables.
///
/// # Errors
/// All old names that are used, each with its new name.
pub(super) fn refuse_old_names(
    prefix: &str,
    renamed: &[Renamed],
    config: &Config,
) -> Result<(), SettingsError> {
    let used = SHARED.iter().chain(renamed).filter(|key| is_set(config, key.old));
    let lines: Vec<_> = used.map(|key| key.explain(prefix)).collect();
    if lines.is_empty() { Ok(()) } else { Err(SettingsError::text(lines.join("; "))) }
}

fn is_set(config: &Config, key: &str) -> bool {
    !matches!(config.get::<Value>(key), Err(ConfigError::NotFound(_)))
}

impl Renamed {
    fn explain(self, prefix: &str) -> String {
        let Self { old, new } = self;
        let variables = (variable(prefix, old), variable(prefix, new));
        format!("setting `{old}` ({}) was renamed: use `{new}` ({})", variables.0, variables.1)
    }
}
