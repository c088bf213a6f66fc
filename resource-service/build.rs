//! The migrations are embedded into the program, and cargo cannot see that by itself.

fn main() {
    println!("cargo:rerun-if-changed=../migrations/resource");
}
