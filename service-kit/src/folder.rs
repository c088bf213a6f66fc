//! The folder in which a service keeps everything of its own.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Makes the folder and those above it, for its owner alone, unless it is there.
///
/// # Errors
/// The system's, among them that there is a file of that name.
pub fn make_private(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
