//! The data folder of a service.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Creates the folder and its parents with mode 0700, unless it exists.
///
/// # Errors
/// The folder cannot be created, for example because there is a file of that name.
pub fn make_private(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
