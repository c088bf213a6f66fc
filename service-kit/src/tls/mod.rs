//! TLS by rustls, with a certificate and a key from files that are polled for changes.
//!
//! New handshakes use the newest certificate; open connections keep theirs. A certificate or key that cannot be used never
//! replaces one that can.

mod current;
mod files;
mod handshakes;
mod open;
mod refresher;
mod settings;

pub use current::Now;
pub(crate) use handshakes::Handshakes;
pub use open::Tls;
pub use settings::TlsSettings;
