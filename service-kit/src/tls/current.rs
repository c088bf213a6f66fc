//! The certificate that new handshakes get.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The time in unix seconds, by the service's clock.
pub type Now = Box<dyn Fn() -> u64 + Send + Sync>;

/// The newest certificate, which every handshake gets.
#[derive(Debug)]
pub(super) struct Current(pub(super) ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}
