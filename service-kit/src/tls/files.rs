//! The files of a certificate and its key.

use std::fs;
use std::path::PathBuf;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use crate::access::warn_if_shared;
use crate::settings::SettingsError;

/// Why a certificate cannot be used. The texts repeat nothing of the files.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateError {
    #[error("cannot read the certificate {}: {}", .0.display(), .1)]
    ReadCertificate(PathBuf, std::io::Error),
    #[error("cannot read the key {}: {}", .0.display(), .1)]
    ReadKey(PathBuf, std::io::Error),
    #[error("{} is not PEM: {}", .0.display(), .1)]
    Pem(PathBuf, PemError),
    #[error("{} has no X.509 certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    #[error("{} has no private key in PEM (PKCS #8, SEC 1 or PKCS #1, without a passphrase)", .0.display())]
    NoKey(PathBuf),
    #[error("{} is not the key of the certificate: {}", .0.display(), .1)]
    Pair(PathBuf, rustls::Error),
}

impl CertificateError {
    /// Returns an error of the setting whose file cannot be used.
    pub(super) fn into_setting(self) -> SettingsError {
        let key = match self {
            Self::ReadKey(..) | Self::NoKey(_) | Self::Pair(..) => "tls.key",
            Self::ReadCertificate(..) | Self::Pem(..) | Self::NoCertificate(_) => "tls.certificate",
        };
        SettingsError::invalid(key, self)
    }
}

/// The paths of the two files.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// The content of the two files.
#[derive(PartialEq, Eq)]
pub(super) struct Content {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Content")
    }
}

impl Files {
    pub(super) fn read(&self) -> Result<Content, CertificateError> {
        let certificate = fs::read(&self.certificate)
            .map_err(|error| CertificateError::ReadCertificate(self.certificate.clone(), error))?;
        let key = fs::read(&self.key).map_err(|error| CertificateError::ReadKey(self.key.clone(), error))?;
        Ok(Content { certificate, key: Zeroizing::new(key) })
    }

    /// Parses the chain and the key, and checks that they belong together.
    pub(super) fn certified(
        &self,
        content: &Content,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, CertificateError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&content.certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| CertificateError::Pem(self.certificate.clone(), error))?;
        chain
            .first()
            .and_then(expiry)
            .ok_or_else(|| CertificateError::NoCertificate(self.certificate.clone()))?;
        let key = PrivateKeyDer::from_pem_slice(&content.key)
            .map_err(|_| CertificateError::NoKey(self.key.clone()))?;
        let certified = CertifiedKey::from_der(chain, key, provider)
            .map_err(|error| CertificateError::Pair(self.key.clone(), error))?;
        warn_if_shared("the key", &self.key);
        Ok(certified)
    }
}

/// Returns when a certificate expires, in unix seconds; `None` if it cannot be parsed.
pub(super) fn expiry(certificate: &CertificateDer<'_>) -> Option<i64> {
    X509Certificate::from_der(certificate).ok().map(|(_, parsed)| parsed.validity().not_after.timestamp())
}
