//! Every private key of the service, and all that is done with them: sign access tokens and status lists, make refresh
//! tokens, publish the public halves. No private key leaves this folder.

mod audit_key;
mod csrf_token;
mod key_changes;
mod loaded;
mod name_key;
mod opening;
mod refresh_key;
mod ring;
mod rotation;
pub mod sealing;
mod signing_key;
mod stored;

pub use audit_key::{AuditKey, AuditKeys};
pub use key_changes::KeyChange;
pub use loaded::VerifierSettings;
pub use name_key::NameKey;
pub use opening::{Makes, first_keys};
pub use refresh_key::RefreshToken;
pub use rotation::{Rotated, RotationError};
pub use sealing::Sealer;
pub use stored::{UnopenedAuditKeys, unopened_audit_keys, unopened_name_keys};

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::ArcSwap;
use secrecy::SecretString;
use shared_claims::{AccessToken, claims::Claims, error::Refusal, verifier::Algorithm};

use crate::domain::clock::seconds;
use crate::store::error::StoreError;
use crate::store::issuance::Issuance;
use crate::store::keys::SealedKey;
use key_changes::KeyChanges;
use loaded::{Loaded, Seen};
use refresh_key::Encoded;
use signing_key::{Kind, SigningKey};
use stored::Purpose;

/// Until when revocations must be remembered after the last token was signed, beside the token's life: the leeway that
/// verifiers may have at the most, in seconds.
pub(super) const MOST_LEEWAY: i64 = ring::MOST_LEEWAY;

/// Why there are no usable keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The master key is not the one the database was sealed with.
    #[error(
        "no {purpose} key in the database opens with this master key: give the one they were sealed with as \
         master_key, or as master_key_previous. If it is lost, `auth-service recover` makes new keys and ends every \
         session; accounts and passwords stay. Where no master key is left, add --new-master-key"
    )]
    Sealed {
        /// `access`, `refresh`, `audit` or `names`.
        purpose: &'static str,
    },
    /// No server was ever started on the database.
    #[error(
        "the database has no keys yet: `auth-service serve` makes them at its first start, and `auth-service key rotate` \
         where the master key is given"
    )]
    NoKeys,
    /// There are other keys, and none to sign with.
    #[error(
        "the database has no signing key: the server signs with tokens.shared_secret (HS256), or the row was deleted. A \
         start of `auth-service serve` that is set to another algorithm makes the first one"
    )]
    NoSigningKey,
    /// The database has keys that this process cannot load. Nothing is signed until it can.
    #[error(
        "the database has keys that cannot be read, or do not open with this master key; nothing is signed. Give the key \
         that they were sealed with as master_key or as master_key_previous. Rows that nobody can open go with \
         `auth-service key rotate --emergency` (access) or `auth-service recover` (all)"
    )]
    Closed,
    /// The database's keys are sealed with a newer master key than this process has.
    #[error(
        "the database's keys are sealed with a newer master key than this one, and nothing is sealed with an older one \
         again: give the newer one as master_key or as master_key_previous"
    )]
    OlderMasterKey,
    /// A key could not be made or used.
    #[error("a key could not be made or used")]
    Crypto,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl KeyringError {
    /// Whether it is the store's, which has reported it itself.
    #[must_use]
    pub fn is_reported(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_reported())
    }
}

/// The key set as it is published (RFC 7517 section 5).
#[derive(Debug, Clone)]
pub struct PublishedKeys {
    /// The document.
    pub json: String,
    /// A strong validator of it (RFC 9110 section 8.8.3), with its quotes.
    pub etag: String,
    /// As events tell it.
    pub revision: i64,
}

/// How keys come and go.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What new access tokens are to be signed with. When replicas are set to different ones, the newest key wins.
    pub algorithm: Algorithm,
    /// For HS256 alone, whose key is never stored.
    pub shared_secret: Option<SecretString>,
    /// How long a key is in force.
    pub rotate_every: Duration,
    /// A new key is published for this long before it signs, so that every verifier knows it by then.
    pub publish_ahead: Duration,
    /// How long others may keep the key set without asking again.
    pub max_age: Duration,
    /// How long what is signed lives.
    pub lifetimes: Lifetimes,
}

/// How long what is signed lives, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// An access token.
    pub access_token: i64,
    /// A status list.
    pub status_list: i64,
}

/// When a key was made and from when on it is in force, in unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    created_at: i64,
    active_from: i64,
}

impl Times {
    fn of(row: &SealedKey) -> Self {
        Self { created_at: row.created_at, active_from: row.active_from }
    }
}

/// The keys of this process. Which one signs is decided by time alone, so that any number of replicas agree.
pub struct Keyring {
    sealer: Arc<Sealer>,
    plan: Plan,
    /// Whether new signing keys are of the algorithm in the settings, rather than of the one in force.
    follows_settings: bool,
    shared: Option<SigningKey>,
    verifier_settings: VerifierSettings,
    loaded: ArcSwap<Loaded>,
    /// Held from the reading of rows until they are in force: of two reloads, the later one reads later.
    reloading: tokio::sync::Mutex<()>,
    /// Whether everything has been written that the settings ask for; see [`settle`](Self::settle).
    settled: AtomicBool,
    /// Whether there is a key of the algorithm in the settings, or was once since the process started.
    has_algorithm: AtomicBool,
    /// As they were when the process started: they do not change.
    audit: AuditKeys,
    /// As it was when the process started: it does not change.
    names: NameKey,
    changes: KeyChanges,
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
            return 1; // the rest of a key set is to be kept by nobody
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

    /// A number that stands for a text, as nobody without the master key can tell.
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
