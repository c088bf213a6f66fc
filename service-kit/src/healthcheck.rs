//! The command `healthcheck`: asks the service of the settings, on this machine, whether it is ready. For containers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::listen::Listen;
use crate::tls::TlsSettings;

/// The time-out of a whole check.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest status line that is read.
const MAX_LINE_BYTES: u64 = 1024;
const REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Why a check fails.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Unhealthy {
    #[error("listen has port 0, so the port of the service is not known: set a port")]
    UnknownPort,
    #[error("no answer in time from {0}")]
    Slow(Listen),
    #[error("no answer from {0}")]
    Unreachable(Listen, #[source] io::Error),
    #[error("{0} is not ready: /readyz answers {1:?}")]
    NotReady(Listen, String),
}

/// Requests `/readyz` at the address of the settings; on the loopback if the service listens everywhere.
///
/// # Errors
/// There is no answer with status 200 in time.
pub async fn check(listen: &Listen, tls: &TlsSettings) -> Result<(), Unhealthy> {
    let has_tls = tls.files().is_some();
    let asked = timeout(TIMEOUT, async {
        match listen {
            Listen::Unix(path) => ask(connect_unix(path).await?, has_tls).await,
            _ => ask(connect(&addresses(listen)).await?, has_tls).await,
        }
    });
    if addresses(listen).iter().any(|address| address.port() == 0) {
        return Err(Unhealthy::UnknownPort);
    }
    let line = asked.await.map_err(|_| Unhealthy::Slow(listen.clone()))?;
    let line = line.map_err(|error| Unhealthy::Unreachable(listen.clone(), error))?;
    if line.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    Err(Unhealthy::NotReady(listen.clone(), line.trim_end().to_owned()))
}

async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await
}

/// Returns the addresses to try, in this order; none for a Unix socket.
fn addresses(listen: &Listen) -> Vec<SocketAddr> {
    let loopback = |port| {
        let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        both.map(|address| SocketAddr::new(address, port)).to_vec()
    };
    match listen {
        Listen::Address(address) if address.ip().is_unspecified() => loopback(address.port()),
        Listen::Address(address) => vec![*address],
        Listen::Localhost(port) | Listen::Everywhere(port) => loopback(*port),
        Listen::Unix(_) => Vec::new(),
    }
}

async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    TcpStream::connect(addresses).await
}

/// Sends the request; returns the status line.
async fn ask<T: AsyncRead + AsyncWrite + Unpin>(io: T, has_tls: bool) -> io::Result<String> {
    if !has_tls {
        return exchange(io).await;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    exchange(TlsConnector::from(Arc::new(config)).connect(name, io).await?).await
}

async fn exchange<T: AsyncRead + AsyncWrite + Unpin>(mut io: T) -> io::Result<String> {
    io.write_all(REQUEST).await?;
    io.flush().await?;
    let mut line = String::new();
    BufReader::new(io.take(MAX_LINE_BYTES)).read_line(&mut line).await?;
    Ok(line)
}

/// Accepts any certificate, because the service is reached by the loopback and not by its name. Nothing secret is sent, and a
/// forged answer could only delay a restart.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
