//! How much room there is where a service keeps its data.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;
use serde::Deserialize;

use crate::settings::SettingsError;

/// More is a slip: no service needs a tebibyte to stay ready.
const MOST_FREE: u64 = 1 << 40;

/// The `[storage]` part of the settings; `config.default.toml` says what each one means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct StorageSettings {
    pub min_free: u64,
}

impl StorageSettings {
    /// # Errors
    /// The first key whose value cannot be meant.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.min_free <= MOST_FREE {
            return Ok(());
        }
        Err(SettingsError::invalid("storage.min_free", "must not be more than 1 TiB, in bytes"))
    }
}

/// How many bytes this process may still write into `folder`. Blocks.
///
/// # Errors
/// The folder is not there, or its disk does not answer.
#[allow(clippy::useless_conversion, reason = "the types of statvfs are narrower on other systems")]
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    // A relative name without a folder is in the working directory.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let disk = statvfs(folder)?;
    Ok(u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size())))
}
