//! The list of common passwords becomes a filter that is small and needs no memory of its own. And the migrations are
//! embedded into the program, which cargo cannot see by itself.

#[path = "src/domain/passwords/filter.rs"]
mod filter;

use std::error::Error;
use std::path::Path;

const LIST: &str = "src/domain/passwords/common.txt";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=../migrations/auth");
    println!("cargo:rerun-if-changed={LIST}");
    println!("cargo:rerun-if-changed=src/domain/passwords/filter.rs");
    let mut bits = vec![0_u8; filter::BYTES];
    for password in std::fs::read_to_string(LIST)?.lines() {
        for (byte, bit) in filter::places(password) {
            if let Some(byte) = bits.get_mut(byte) {
                *byte |= bit;
            }
        }
    }
    #[expect(clippy::disallowed_methods, reason = "cargo says by a variable where it goes")]
    let folder = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&folder).join("common.filter"), bits)?;
    Ok(())
}
