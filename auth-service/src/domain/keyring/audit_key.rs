//! Keys that prove the audit trail: whoever can write to the database, but has no master key, cannot make rows that pass.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A key of HMAC-SHA-256.
#[derive(Debug, Clone)]
pub struct AuditKey {
    kid: String,
    key: hmac::Key,
}

impl AuditKey {
    pub(super) fn new(kid: &str, secret: &[u8]) -> Self {
        Self { kid: kid.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// By what rows and heads name it.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The keyed digest of `bytes`, in base64url.
    #[must_use]
    pub fn mac(&self, bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, bytes))
    }

    /// Whether `mac` is that of `bytes`. The comparison takes the same time wherever they differ.
    #[must_use]
    pub fn proves(&self, bytes: &[u8], mac: &str) -> bool {
        URL_SAFE_NO_PAD.decode(mac).is_ok_and(|mac| hmac::verify(&self.key, bytes, &mac).is_ok())
    }
}

/// Every key that rows may be proven by: one, unless a master key was lost.
#[derive(Debug, Clone)]
pub struct AuditKeys {
    newest: AuditKey,
    all: Arc<[AuditKey]>,
}

impl AuditKeys {
    /// The oldest first; `None` when there is none.
    pub(super) fn new(all: Vec<AuditKey>) -> Option<Self> {
        Some(Self { newest: all.last()?.clone(), all: all.into() })
    }

    /// All of them, the oldest first.
    pub(super) fn all(&self) -> &[AuditKey] {
        &self.all
    }

    /// The one for new chains.
    #[must_use]
    pub fn newest(&self) -> &AuditKey {
        &self.newest
    }

    /// The one of this name.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&AuditKey> {
        self.all.iter().find(|key| key.kid == kid)
    }
}
