//! Free space on the disk of a service's data.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;
use serde::Deserialize;

use crate::settings::Number;

/// The `[storage]` section of the settings; `config.default.toml` documents each one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct StorageSettings {
    #[serde(with = "Number::<0, { 1 << 40 }>")] // more than a tebibyte is a typing error
    pub min_free: u64,
}

/// Returns how many bytes this process may still write into `folder`. Blocks.
///
/// # Errors
/// The folder does not exist, or its disk cannot be read.
#[allow(clippy::useless_conversion, reason = "the types of statvfs are narrower on other systems")]
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    // The folder of a relative name may be empty: it is the working directory.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let disk = statvfs(folder)?;
    Ok(u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size())))
}
