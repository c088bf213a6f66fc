//! The keys of this process.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use shared_claims::{AccessToken, claims::Claims, error::Refusal, verifier::Algorithm};

use crate::domain::clock::seconds;
use crate::domain::keyring::audit_key::AuditKeys;
use crate::domain::keyring::csrf_token;
use crate::domain::keyring::error::KeyringError;
use crate::domain::keyring::key_changes::{KeyChange, KeyChanges};
use crate::domain::keyring::loaded::{Loaded, Seen, VerifierSettings};
use crate::domain::keyring::name_key::NameKey;
use crate::domain::keyring::plan::Plan;
use crate::domain::keyring::published_keys::PublishedKeys;
use crate::domain::keyring::refresh_key::{Encoded, RefreshToken};
use crate::domain::keyring::sealing::Sealer;
use crate::domain::keyring::signing_key::{Kind, SigningKey};
use crate::domain::keyring::stored::Purpose;
use crate::store::issuance::Issuance;

/// The keys of this process. Which one signs is decided by time alone, so that any number of replicas agree.
pub struct Keyring {
    pub(super) sealer: Arc<Sealer>,
    pub(super) plan: Plan,
    /// Whether new signing keys are of the algorithm in the settings, rather than of the one in force.
    pub(super) follows_settings: bool,
    pub(super) shared: Option<SigningKey>,
    pub(super) verifier_settings: VerifierSettings,
    pub(super) loaded: ArcSwap<Loaded>,
    /// Held from the reading of rows until they are in force: of two reloads, the later one reads later.
    pub(super) reloading: tokio::sync::Mutex<()>,
    /// Whether everything has been written that the settings ask for; see [`settle`](Self::settle).
    pub(super) settled: AtomicBool,
    /// Whether there is a key of the algorithm in the settings, or was once since the process started.
    pub(super) has_algorithm: AtomicBool,
    /// As they were when the process started: they do not change.
    pub(super) audit: AuditKeys,
    /// As it was when the process started: it does not change.
    pub(super) names: NameKey,
    pub(super) changes: KeyChanges,
}

/// A signing key as operators see it.
#[derive(Debug, Clone)]
pub struct KeyInfo {
    /// Its id.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// From when on it signs, in unix seconds; 0 for the first one.
    pub active_from: i64,
    /// Whether it signs now.
    pub signs: bool,
}

impl Keyring {
    /// Whether the keys in memory are those of this state of the database, all of them, and none of them is to be retired, when
    /// everything is over that was to end by the time `over`.
    #[must_use]
    pub fn is_current(&self, issuance: &Issuance, over: i64) -> bool {
        let loaded = self.loaded.load();
        loaded.seen == Seen::of(issuance) && loaded.closed.is_none() && over < loaded.ring.next_retirement
    }

    /// Whether nothing is signed, because the database has keys that cannot be loaded.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.loaded.load().closed.is_some()
    }

    /// Judges an access token by the keys in force.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn verify(&self, token: &str) -> Result<AccessToken, Refusal> {
        self.loaded.load().verify(token, |verifier| verifier.verify_now(token))
    }

    /// The same for a token that may have expired.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn verify_expired(&self, token: &str) -> Result<AccessToken, Refusal> {
        self.loaded.load().verify(token, |verifier| verifier.verify_expired(token))
    }

    /// The revision of what is published. While keys cannot be loaded it is an earlier one than the database's, so that no
    /// verifier takes the rest for the whole.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.loaded.load().ring.revision
    }

    /// Rises when a restored database is put into service.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.loaded.load().ring.epoch
    }

    /// The longest life that an access token was ever given here, in seconds.
    #[must_use]
    pub fn longest_access_ttl(&self) -> i64 {
        self.loaded.load().ring.longest_access_ttl
    }

    /// Signs an access token (RFC 9068) with the key that is in force at the time `now`.
    ///
    /// # Errors
    /// [`KeyringError::Crypto`].
    pub fn sign(&self, claims: &Claims, now: i64) -> Result<String, KeyringError> {
        let payload = serde_json::to_vec(claims).map_err(|_| KeyringError::Crypto)?;
        let loaded = self.loaded.load();
        loaded.check_open()?;
        let signer = self.shared.as_ref().or_else(|| loaded.ring.signer(now)).ok_or(KeyringError::Crypto)?;
        signer.sign_jws(Kind::AccessToken, &payload).map_err(|_| KeyringError::Crypto)
    }

    /// The most bytes that an access token has beside its payload, with any key that signs now or is published to sign.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        let loaded = self.loaded.load();
        let keys = loaded.ring.signing.iter().map(AsRef::as_ref).chain(&self.shared);
        keys.map(|key: &SigningKey| key.frame_bytes(Kind::AccessToken)).max().unwrap_or_default()
    }

    /// Signs a status list (draft-ietf-oauth-status-list section 5.1); gives the id of the key as well.
    ///
    /// # Errors
    /// [`KeyringError::Crypto`].
    pub fn sign_status_list(&self, payload: &[u8], now: i64) -> Result<(String, String), KeyringError> {
        let loaded = self.loaded.load();
        loaded.check_open()?;
        let signer = loaded.ring.signer(now).ok_or(KeyringError::Crypto)?;
        let token = signer.sign_jws(Kind::StatusList, payload).map_err(|_| KeyringError::Crypto)?;
        Ok((token, signer.kid.clone()))
    }

    /// Whether this key would sign at the time `now`.
    #[must_use]
    pub fn signs(&self, kid: &str, now: i64) -> bool {
        let loaded = self.loaded.load();
        loaded.closed.is_none() && loaded.ring.signer(now).is_some_and(|signer| signer.kid == kid)
    }

    /// The algorithms of the keys that verify access tokens: those that are published, or the shared secret.
    #[must_use]
    pub fn algorithms(&self) -> BTreeSet<&'static str> {
        let loaded = self.loaded.load();
        let signing = loaded.ring.signing.iter().map(AsRef::as_ref);
        signing.chain(&self.shared).map(|key| key.algorithm.as_str()).collect()
    }

    /// The signing keys that are published, oldest first.
    #[must_use]
    pub fn list(&self, now: i64) -> Vec<KeyInfo> {
        let loaded = self.loaded.load();
        let ring = &loaded.ring;
        let signer = ring.signer(now).filter(|_| loaded.closed.is_none()).map(|signer| signer.kid.as_str());
        let info = |key: &SigningKey| KeyInfo {
            kid: key.kid.clone(),
            algorithm: key.algorithm,
            active_from: key.times.active_from,
            signs: self.shared.is_none() && signer == Some(key.kid.as_str()),
        };
        ring.signing.iter().map(|key| info(key)).collect()
    }

    /// The keys that prove the audit trail.
    #[must_use]
    pub fn audit_keys(&self) -> AuditKeys {
        self.audit.clone()
    }

    /// The key under which names are kept that rest.
    #[must_use]
    pub fn name_key(&self) -> NameKey {
        self.names.clone()
    }

    /// Takes the changes of keys by this process since the last call.
    #[must_use]
    pub fn take_changes(&self) -> Vec<KeyChange> {
        self.changes.take()
    }

    /// The public keys.
    #[must_use]
    pub fn published(&self) -> Arc<PublishedKeys> {
        Arc::clone(&self.loaded.load().ring.published)
    }

    /// For how many seconds others may keep the public keys: until they change, and never for longer than a new key is
    /// published before it signs.
    #[must_use]
    pub fn max_age(&self, now: i64) -> i64 {
        if self.is_closed() {
            return 1; // no cache may keep the rest of a key set
        }
        let ahead = seconds(self.plan.publish_ahead);
        let next_publication =
            self.due(Purpose::Access, now).map_or(i64::MAX, |due| due.saturating_sub(ahead));
        // A time that has passed is not used until the clock is trusted again; the key is not needed meanwhile.
        let retirement = self.loaded.load().ring.next_retirement;
        let retirement = Some(retirement).filter(|at| *at > now).unwrap_or(i64::MAX);
        let change = retirement.min(next_publication).saturating_sub(now);
        change.min(seconds(self.plan.max_age)).min(ahead).max(1)
    }

    /// Returns a number for a text. Only the holder of the master key can compute it.
    #[must_use]
    pub fn number_of(&self, text: &str) -> u32 {
        let digest = self.sealer.digest(text);
        digest.as_ref().iter().take(4).fold(0, |number, byte| number << 8 | u32::from(*byte))
    }

    /// The text of a refresh token that was made at the time `made_at`, in unix seconds: the same text at any time.
    ///
    /// # Errors
    /// [`KeyringError::Crypto`] when it does not name a session.
    pub fn encode_refresh_token(&self, token: &RefreshToken, made_at: i64) -> Result<String, KeyringError> {
        let loaded = self.loaded.load();
        loaded.check_open()?;
        let key = loaded.ring.refresh_key(made_at);
        key.and_then(|key| key.encode(token, loaded.ring.epoch)).ok_or(KeyringError::Crypto)
    }

    /// What a refresh token says, or `None` when it is not one of ours. The database is not asked.
    #[must_use]
    pub fn decode_refresh_token(&self, token: &str) -> Option<RefreshToken> {
        let (token, loaded) = (Encoded::parse(token)?, self.loaded.load());
        let ring = &loaded.ring;
        ring.refresh.iter().find_map(|key| key.decode(&token, ring.epoch))
    }

    /// The CSRF token of a session, as of the time `made_at`, in unix seconds: the same text at any time, and as long good
    /// as a refresh token of that time.
    ///
    /// # Errors
    /// [`KeyringError::Crypto`] when it does not name a session.
    pub fn encode_csrf_token(&self, session_id: &str, made_at: i64) -> Result<String, KeyringError> {
        let loaded = self.loaded.load();
        loaded.check_open()?;
        let ring = &loaded.ring;
        let token = ring.refresh_key(made_at).and_then(|key| csrf_token::encode(key, session_id, ring.epoch));
        token.ok_or(KeyringError::Crypto)
    }

    /// The session of a CSRF token, or `None` when it is not one of ours. The database is not asked.
    #[must_use]
    pub fn decode_csrf_token(&self, token: &str) -> Option<String> {
        let loaded = self.loaded.load();
        let keys = loaded.ring.refresh.iter().map(AsRef::as_ref);
        csrf_token::decode(keys, token, loaded.ring.epoch)
    }
}
