//! Every private key of the service, and all that is done with them: sign access tokens, make refresh tokens, publish
//! the public halves. No private key leaves this folder.

mod refresh_key;
pub mod sealing;
mod signing_key;

pub use refresh_key::RefreshToken;
pub use sealing::Sealer;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use secrecy::{ExposeSecret as _, SecretString};
use shared_claims::{Algorithm, Claims};

use crate::domain::{random, seconds};
use crate::store::keys::{self, SealedKey};
use crate::store::{Store, StoreError};
use refresh_key::RefreshKey;
use signing_key::SigningKey;

/// Why there are no usable keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The master key is not the one the database was sealed with.
    #[error(
        "no {purpose} key in the database opens with this master key; \
         give the one they were sealed with as master_key, or as master_key_previous"
    )]
    Sealed {
        /// `access` or `refresh`.
        purpose: &'static str,
    },
    /// A key could not be made or used.
    #[error("a key could not be made or used")]
    Crypto,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The key set as it is published (RFC 7517 section 5).
#[derive(Debug, Clone)]
pub struct PublishedKeys {
    /// The document.
    pub json: String,
    /// A strong validator of it (RFC 9110 section 8.8.3), with its quotes.
    pub etag: String,
}

/// What new access tokens are to be signed with.
#[derive(Debug, Clone)]
pub struct Signing {
    /// The algorithm. When replicas are set to different ones, the newest key wins.
    pub algorithm: Algorithm,
    /// For HS256 alone, whose key is never stored.
    pub shared_secret: Option<SecretString>,
    /// A new key is published for this long before it signs, so that every replica knows it by then.
    pub publish_ahead: Duration,
}

/// The keys of this process. Which one signs is decided by time alone, so that any number of replicas agree.
pub struct Keyring {
    sealer: Sealer,
    shared: Option<SigningKey>,
    refresh: RefreshKey,
    ring: ArcSwap<Ring>,
}

/// The signing keys of the database, and what is published of them.
struct Ring {
    /// Oldest first.
    keys: Vec<SigningKey>,
    published: Arc<PublishedKeys>,
}

const ACCESS: &str = "access";
const REFRESH: &str = "refresh";

impl Keyring {
    /// Opens the keys in the database, and makes those that are missing.
    ///
    /// # Errors
    /// A wrong master key, or a store that is away.
    pub async fn open(
        store: &Store,
        sealer: Sealer,
        now: i64,
        signing: &Signing,
    ) -> Result<Self, KeyringError> {
        let mut keys = open_signing_keys(store, &sealer).await?;
        let newest = keys.last().map(|key| key.algorithm);
        if signing.algorithm != Algorithm::HS256 && newest != Some(signing.algorithm) {
            // The first key is active since ever, so that replicas which start at once agree on it: one insert wins.
            let active_from = newest.map_or(0, |_| now.saturating_add(seconds(signing.publish_ahead)));
            if let Some(newest) = newest {
                log::warn!(
                    "signing with {newest} until {}s from now, then with {}",
                    active_from - now,
                    signing.algorithm
                );
            }
            make_signing_key(store, &sealer, signing.algorithm, now, active_from).await?;
            keys = open_signing_keys(store, &sealer).await?;
        }
        let secret = signing.shared_secret.as_ref();
        let shared = secret.map(|secret| SigningKey::shared_secret(secret.expose_secret().as_bytes()));
        let refresh = open_refresh_key(store, &sealer, now).await?;
        let ring = ArcSwap::from_pointee(Ring::new(keys)?);
        Ok(Self { sealer, shared, refresh, ring })
    }

    /// Looks for keys that other processes have made; says whether there are any.
    ///
    /// # Errors
    /// The store is away, or the newest key does not open: the keys stay as they were.
    pub async fn reload(&self, store: &Store) -> Result<bool, KeyringError> {
        let ring = Ring::new(open_signing_keys(store, &self.sealer).await?)?;
        let news = ring.published.etag != self.published().etag;
        if news {
            log::info!("there are {} signing keys now", ring.keys.len());
            self.ring.store(Arc::new(ring));
        }
        Ok(news)
    }

    /// Signs an access token (RFC 9068) with the key that is in force at the time `now`.
    ///
    /// # Errors
    /// [`KeyringError::Crypto`].
    pub fn sign(&self, claims: &Claims, now: i64) -> Result<String, KeyringError> {
        let payload = serde_json::to_vec(claims).map_err(|_| KeyringError::Crypto)?;
        let ring = self.ring.load();
        let signer = self.shared.as_ref().or_else(|| ring.signer(now)).ok_or(KeyringError::Crypto)?;
        signer.sign_access_token(&payload).map_err(|_| KeyringError::Crypto)
    }

    /// The algorithms that access tokens are or were signed with.
    #[must_use]
    pub fn algorithms(&self) -> BTreeSet<&'static str> {
        let ring = self.ring.load();
        ring.keys.iter().chain(&self.shared).map(|key| key.algorithm.as_str()).collect()
    }

    /// The public keys.
    #[must_use]
    pub fn published(&self) -> Arc<PublishedKeys> {
        Arc::clone(&self.ring.load().published)
    }

    /// The text of a refresh token.
    ///
    /// # Errors
    /// [`KeyringError::Crypto`] when it does not name a session.
    pub fn encode_refresh_token(&self, token: &RefreshToken) -> Result<String, KeyringError> {
        self.refresh.encode(token).ok_or(KeyringError::Crypto)
    }

    /// What a refresh token says, or `None` when it is not one of ours. The database is not asked.
    #[must_use]
    pub fn decode_refresh_token(&self, token: &str) -> Option<RefreshToken> {
        self.refresh.decode(token)
    }
}

/// The signing keys that open, oldest first. A row that does not open was not made by us: it is neither used nor
/// published. When none opens, it is the master key that is wrong.
async fn open_signing_keys(store: &Store, sealer: &Sealer) -> Result<Vec<SigningKey>, KeyringError> {
    let rows = store.read(|db| keys::of_purpose(db, ACCESS)).await?;
    let opened: Vec<SigningKey> = rows.iter().filter_map(|row| open_signing_key(sealer, row)).collect();
    if opened.is_empty() && !rows.is_empty() {
        Err(KeyringError::Sealed { purpose: ACCESS })
    } else {
        Ok(opened)
    }
}

fn open_signing_key(sealer: &Sealer, row: &SealedKey) -> Option<SigningKey> {
    let key = sealer
        .open(&context(row), &row.sealed)
        .and_then(|pkcs8| SigningKey::from_pkcs8(row.algorithm.parse().ok()?, &pkcs8, row.active_from))
        .filter(|key| key.kid == row.kid);
    if key.is_none() {
        log::error!(
            "the signing key {} in the database does not open; it is neither used nor published",
            row.kid
        );
    }
    key
}

async fn make_signing_key(
    store: &Store,
    sealer: &Sealer,
    algorithm: Algorithm,
    created_at: i64,
    active_from: i64,
) -> Result<(), KeyringError> {
    // An RSA key takes a second to make; no request waits for this thread, which only starts the service.
    let pkcs8 = SigningKey::generate(algorithm).map_err(|_| KeyringError::Crypto)?;
    let kid = SigningKey::from_pkcs8(algorithm, &pkcs8, active_from).ok_or(KeyringError::Crypto)?.kid;
    store_key(store, sealer, kid, ACCESS, &algorithm.to_string(), created_at, active_from, &pkcs8).await
}

async fn open_refresh_key(store: &Store, sealer: &Sealer, now: i64) -> Result<RefreshKey, KeyringError> {
    let mut rows = store.read(|db| keys::of_purpose(db, REFRESH)).await?;
    if rows.is_empty() {
        let kid = URL_SAFE_NO_PAD.encode(random::bytes::<8>().as_slice());
        store_key(store, sealer, kid, REFRESH, "HS256", now, 0, random::bytes::<32>().as_slice()).await?;
        rows = store.read(|db| keys::of_purpose(db, REFRESH)).await?;
    }
    let open = |row: &SealedKey| {
        Some(RefreshKey::new(RefreshKey::parse_id(&row.kid)?, &sealer.open(&context(row), &row.sealed)?))
    };
    rows.iter().rev().find_map(open).ok_or(KeyringError::Sealed { purpose: REFRESH })
}

/// Stores a new key, unless another process has made one for that time.
#[expect(clippy::too_many_arguments, reason = "the columns of one row")]
async fn store_key(
    store: &Store,
    sealer: &Sealer,
    kid: String,
    purpose: &str,
    algorithm: &str,
    created_at: i64,
    active_from: i64,
    secret: &[u8],
) -> Result<(), KeyringError> {
    let (purpose, algorithm) = (purpose.to_owned(), algorithm.to_owned());
    let mut row = SealedKey { kid, purpose, algorithm, sealed: String::new(), created_at, active_from };
    row.sealed = sealer.seal(&context(&row), secret);
    match store.write(move |db| keys::insert(db, &row)).await {
        Err(StoreError::Conflict(_)) => Ok(()),
        stored => Ok(stored?),
    }
}

/// What a sealed key is bound to: moved to another row, or with another time, it does not open.
fn context(row: &SealedKey) -> String {
    format!("{} {} {} {} {}", row.kid, row.purpose, row.algorithm, row.created_at, row.active_from)
}

impl Ring {
    fn new(keys: Vec<SigningKey>) -> Result<Self, KeyringError> {
        let set = JwkSet { keys: keys.iter().filter_map(|key| key.public.clone()).collect() };
        let json = serde_json::to_string(&set).map_err(|_| KeyringError::Crypto)?;
        let etag =
            format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest(&SHA256, json.as_bytes()).as_ref()[..16]));
        Ok(Self { keys, published: Arc::new(PublishedKeys { json, etag }) })
    }

    /// The newest key that is active.
    fn signer(&self, now: i64) -> Option<&SigningKey> {
        self.keys.iter().rev().find(|key| key.active_from <= now)
    }
}
