//! A service with TLS, its files, and its clients.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use actix_web::web::ServiceConfig;
use actix_web::{ResponseError as _, rt};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use service_kit::routes::path;
use service_kit::{App, Capacity, Descriptors, Endpoint, HttpSettings, SocketSettings, Tls, TlsSettings};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::server::bounds;

/// The time of the tests, in unix seconds.
pub const NOW: u64 = 1_800_000_000;
pub const DAY: u64 = 24 * 3600;
pub const OFTEN: Duration = Duration::from_millis(50);
pub const NEVER: Duration = Duration::from_secs(3600);

/// An authority, and the folder with the files that a service reads.
pub struct Files {
    pub folder: TempDir,
    pub authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let files = Self { folder: tempfile::tempdir().unwrap(), authority };
        files.renew(365);
        files
    }

    /// Writes another pair that expires so many days and an hour after [`NOW`]. Returns the certificate.
    pub fn renew(&self, days: u64) -> Vec<u8> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(NOW + days * DAY + 3600);
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        self.write_key(&key.serialize_pem());
        fs::write(self.certificate(), certificate.pem()).unwrap();
        certificate.der().to_vec()
    }

    pub fn write_key(&self, pem: &str) {
        fs::write(self.key(), pem).unwrap();
        fs::set_permissions(self.key(), fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Returns a text that is in every log line about these files.
    pub fn about(&self) -> String {
        self.folder.path().display().to_string()
    }

    pub fn settings(&self, poll_interval: Duration) -> TlsSettings {
        TlsSettings {
            certificate: Some(self.certificate()),
            key: Some(self.key()),
            poll_interval,
            handshake_timeout: Duration::from_secs(5),
            expiry_warning: Duration::from_secs(14 * DAY),
            hsts_max_age: Duration::from_secs(365 * DAY),
            hsts_include_subdomains: false,
        }
    }
}

/// Serves `/hello` over TLS.
pub fn serve(
    settings: &TlsSettings,
    http: &HttpSettings,
    now: impl Fn() -> u64 + Send + Sync + 'static,
) -> SocketAddr {
    let endpoint = Endpoint {
        name: "test",
        address: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
        socket: SocketSettings::default(),
        http,
        capacity: Capacity::claim(http, Descriptors { reserve: 0, per_connection: 1 }).unwrap(),
        tls: Tls::open(settings, Box::new(now)).unwrap(),
        hsts: settings.hsts(None),
        refusal: |_, problem| problem.error_response(),
    };
    let routes = |config: &mut ServiceConfig| {
        config.service(path("/hello").get(async || "hello")).service(path("/readyz").get(async || "ready"));
    };
    let app = App::listen(endpoint, routes).unwrap();
    rt::spawn(app.run);
    app.address
}

pub fn start(files: &Files, poll_interval: Duration) -> SocketAddr {
    serve(&files.settings(poll_interval), &HttpSettings { keep_alive: NEVER, ..bounds() }, || NOW)
}

/// Makes a handshake with these versions and with these protocols on offer.
pub async fn handshake(
    files: &Files,
    address: SocketAddr,
    versions: &[&'static rustls::SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(files.authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
    let mut config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let connection = TcpStream::connect(address).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(ServerName::try_from("127.0.0.1").unwrap(), connection).await
}

pub async fn connect(files: &Files, address: SocketAddr) -> TlsStream<TcpStream> {
    handshake(files, address, rustls::ALL_VERSIONS, &[]).await.unwrap()
}

pub fn certificate_of(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}
