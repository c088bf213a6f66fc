//! TLS by rustls, with a certificate and a key from files that are looked at again while the service runs.
//!
//! New handshakes get what was read last; connections that are open go on with what they began with. A pair that cannot be
//! used never replaces one that can.

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
