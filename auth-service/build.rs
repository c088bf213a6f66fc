//! The list of common passwords becomes a set that is small and needs no memory of its own. And the migrations are
//! embedded into the program, which cargo cannot see by itself.

use std::error::Error;
use std::path::Path;

/// Sorted by their bytes.
const LIST: &str = "src/domain/authn/passwords/common.txt";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=../migrations/auth");
    println!("cargo:rerun-if-changed={LIST}");
    let passwords = fst::Set::from_iter(std::fs::read_to_string(LIST)?.lines())?;
    #[expect(clippy::disallowed_methods, reason = "cargo says by a variable where it goes")]
    let folder = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&folder).join("common.fst"), passwords.as_fst().as_bytes())?;
    Ok(())
}
