//! TLS of a service, from its settings.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::ResolvesServerCert;
use rustls::version::{TLS12, TLS13};
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;

use super::current::{Current, Now};
use super::files::{CertificateError, Files};
use super::handshakes::Handshakes;
use super::refresher::Refresher;
use super::settings::TlsSettings;
use crate::settings::SettingsError;

/// TLS of a service: its handshakes, and the task that replaces its certificate.
pub struct Tls {
    handshakes: Handshakes,
    refresher: Refresher,
}

impl Tls {
    /// Reads the certificate and the key; `None` if the settings name none. `now` is the clock for warnings of expiry.
    ///
    /// # Errors
    /// A file cannot be used; names its setting.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(settings: &TlsSettings, now: Now) -> Result<Option<Self>, SettingsError> {
        let Some((certificate, key)) = settings.files() else { return Ok(None) };
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        let content = files.read().map_err(CertificateError::into_setting)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certified = files.certified(&content, &provider).map_err(CertificateError::into_setting)?;
        let current = Arc::new(Current(ArcSwap::from_pointee(certified)));
        let impossible = |error: &dyn std::fmt::Display| SettingsError::invalid("tls.certificate", error);
        let config = server_config(Arc::clone(&provider), Arc::clone(&current) as _)
            .map_err(|error| impossible(&error))?;
        let refresher = Refresher {
            current,
            files: Arc::new(files),
            provider,
            seen: Ok(content),
            poll_interval: settings.poll_interval,
            hangup: signal(SignalKind::hangup()).map_err(|error| impossible(&error))?,
            now,
            expiry_warning: settings.expiry_warning,
            remind_at: 0,
        };
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let handshakes = Handshakes { acceptor, timeout: settings.handshake_timeout };
        Ok(Some(Self { handshakes, refresher }))
    }

    pub(crate) fn into_parts(self) -> (Handshakes, Refresher) {
        (self.handshakes, self.refresher)
    }
}

/// Returns a configuration of TLS 1.2 and 1.3 with the suites of rustls. Sessions are resumed from a small cache of this process,
/// without tickets and their key; there is no early data. Only HTTP/1.1: see docs/decisions/0012-tls.md.
fn server_config(
    provider: Arc<CryptoProvider>,
    certificate: Arc<dyn ResolvesServerCert>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ignore_client_order = true; // all suites are good, but auditors ask for it
    Ok(config)
}
