//! The keys in force and what judges tokens by them: one value, swapped as a whole, so that no moment has the one without
//! the other.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use shared_claims::{
    AccessToken, Policy, Verifier,
    error::{Refusal, SetupError},
    verifier::{Clock, KeySet},
};

use crate::domain::keyring::error::KeyringError;
use crate::domain::keyring::ring::Ring;
use crate::domain::keyring::stored::{Opened, Purpose, Stored};
use crate::store::issuance::Issuance;

/// How this service judges its own tokens.
#[derive(Debug, Clone)]
pub struct VerifierSettings {
    policy: Policy,
    clock: Clock,
    /// For HS256 alone: its one verifier.
    by_secret: Option<Verifier>,
}

impl VerifierSettings {
    /// Accepts what `policy` does, at the times of `clock`; HS256 by a shared secret alone.
    ///
    /// # Errors
    /// The secret is too short.
    pub fn new(policy: Policy, clock: Clock, secret: Option<&SecretString>) -> Result<Self, SetupError> {
        let by_secret = secret.map(|secret| {
            let verifier = Verifier::with_shared_secret(policy.clone(), secret.expose_secret().as_bytes())?;
            Ok::<_, SetupError>(verifier.with_clock(clock.clone()))
        });
        Ok(Self { by_secret: by_secret.transpose()?, policy, clock })
    }

    fn over(&self, ring: &Ring) -> Verifier {
        if let Some(verifier) = &self.by_secret {
            return verifier.clone();
        }
        // It is our own document: it cannot be read only when there is no key in it.
        let keys = KeySet::from_json(ring.published.json.as_bytes()).unwrap_or_else(|_| KeySet::empty());
        Verifier::with_keys(self.policy.clone(), keys).with_clock(self.clock.clone())
    }
}

/// Which keys of which database were loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    database_id: Option<String>,
    epoch: i64,
    revision: i64,
}

impl Seen {
    pub(super) fn of(issuance: &Issuance) -> Self {
        let Issuance { epoch, keys_revision, database_id, .. } = issuance.clone();
        Self { database_id, epoch, revision: keys_revision }
    }

    /// Whether it is an earlier state of the same database.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        let state = |seen: &Self| (seen.epoch, seen.revision);
        self.database_id == other.database_id && state(self) < state(other)
    }
}

/// The database has keys that this process cannot load: it signs nothing until it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Closed {
    /// For the log: which keys.
    pub(super) why: String,
    /// Signing keys that were published here and are in the database no longer.
    withdrawn: BTreeSet<String>,
    /// Whether the rows could not even be read: any key at hand may be withdrawn.
    unread: bool,
}

pub(super) struct Loaded {
    pub(super) seen: Seen,
    pub(super) ring: Ring,
    pub(super) closed: Option<Closed>,
    verifier: Verifier,
}

impl Loaded {
    /// `before` is what this takes the place of.
    pub(super) fn new(
        seen: Seen,
        ring: Ring,
        closed: Option<Closed>,
        settings: &VerifierSettings,
        before: Option<&Self>,
    ) -> Self {
        // What a verifier remembers of tokens is good for as long as the keys stay the same.
        let same = before.filter(|before| before.ring.published.etag == ring.published.etag);
        let verifier = same.map_or_else(|| settings.over(&ring), |before| before.verifier.clone());
        Self { seen, ring, closed, verifier }
    }

    /// The same keys, of which it cannot be known any more whether they are withdrawn.
    pub(super) fn unread(&self, why: String) -> Self {
        let withdrawn = self.closed.as_ref().map(|closed| closed.withdrawn.clone()).unwrap_or_default();
        Self {
            seen: self.seen.clone(),
            ring: self.ring.clone(),
            closed: Some(Closed { why, withdrawn, unread: true }),
            verifier: self.verifier.clone(),
        }
    }

    /// Whether there is a key to sign with.
    pub(super) fn check_open(&self) -> Result<(), KeyringError> {
        if self.closed.is_none() { Ok(()) } else { Err(KeyringError::Closed) }
    }

    /// Judges a token by the keys in force. While keys cannot be loaded, one that is not known may be good; while they cannot
    /// be read, one that is known may be withdrawn.
    pub(super) fn verify(
        &self,
        token: &str,
        verify: impl FnOnce(&Verifier) -> Result<AccessToken, Refusal>,
    ) -> Result<AccessToken, Refusal> {
        let verified = verify(&self.verifier);
        let Some(closed) = &self.closed else { return verified };
        match &verified {
            Ok(_) if closed.unread => Err(Refusal::Unavailable),
            Err(Refusal::UnknownKey) if !closed.has_withdrawn(token) => Err(Refusal::Unavailable),
            _ => verified,
        }
    }
}

impl Closed {
    /// `None` when everything that is needed opens.
    ///
    /// Rows of the trail's older keys that do not open are evidence, which a recovery leaves there: one that opens is
    /// enough, and in a running process it must be the one that it proves its chain with.
    pub(super) fn of(
        stored: &Stored,
        opened: &Opened,
        needs_access: bool,
        audit_kid: Option<&str>,
        before: Option<&Loaded>,
    ) -> Option<Self> {
        let mut missing: Vec<String> = Vec::new();
        for (purpose, kid) in opened.closed.iter().filter(|(purpose, _)| *purpose != Purpose::Audit) {
            missing.push(format!("{} key {kid}", purpose.as_str()));
        }
        if needs_access && opened.signing.is_empty() {
            missing.push("any access key".to_owned());
        }
        if opened.refresh.is_empty() {
            missing.push("any refresh key".to_owned());
        }
        let proves = |kid: &str| opened.audit.iter().any(|key| key.kid() == kid);
        match audit_kid {
            None if opened.audit.is_empty() => missing.push("any audit key".to_owned()),
            Some(kid) if !proves(kid) => {
                missing.push(format!("audit key {kid}, which proves this process's chain"));
            }
            _ => {}
        }
        if missing.is_empty() {
            return None;
        }
        let gone = |kid: &&str| !stored.has(Purpose::Access, kid);
        let held = before.into_iter().flat_map(|before| {
            let published = before.ring.signing.iter().map(|key| key.kid.as_str());
            published
                .chain(before.closed.iter().flat_map(|closed| closed.withdrawn.iter().map(String::as_str)))
        });
        let withdrawn = held.filter(gone).map(str::to_owned).collect();
        Some(Self { why: missing.join(", "), withdrawn, unread: false })
    }

    fn has_withdrawn(&self, token: &str) -> bool {
        #[derive(Deserialize)]
        struct Header {
            kid: String,
        }
        let header = token.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
        let header = header.and_then(|header| serde_json::from_slice::<Header>(&header).ok());
        header.is_some_and(|header| self.withdrawn.contains(&header.kid))
    }
}
