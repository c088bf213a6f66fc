//! Every private key of the service, and all that is done with them: sign access tokens, make refresh tokens, publish
//! the public halves. No private key leaves this folder.

mod refresh_key;
pub mod sealing;
mod signing_key;

pub use refresh_key::RefreshToken;
pub use sealing::Sealer;

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use secrecy::{ExposeSecret as _, SecretString};
use shared_claims::{Algorithm, Claims};

use crate::domain::random;
use crate::store::keys::{self, SealedKey};
use crate::store::{Store, StoreError};
use refresh_key::RefreshKey;
use signing_key::SigningKey;

/// Why there are no usable keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The master key is not the one the database was sealed with.
    #[error(
        "the newest {purpose} key in the database does not open with this master key; \
         give the master key it was sealed with as master_key, or as master_key_previous"
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

/// The keys of this process: what signs, and what is published.
pub struct Keyring {
    signer: SigningKey,
    refresh: RefreshKey,
    published: PublishedKeys,
}

const ACCESS: &str = "access";
const REFRESH: &str = "refresh";

impl Keyring {
    /// Opens the keys in the database, and makes those that are missing. `shared_secret` is for HS256 alone, whose key
    /// is never stored.
    ///
    /// # Errors
    /// A wrong master key, or a store that is away.
    pub async fn open(
        store: &Store,
        sealer: &Sealer,
        now: i64,
        algorithm: Algorithm,
        shared_secret: Option<&SecretString>,
    ) -> Result<Self, KeyringError> {
        let mut stored = open_signing_keys(store, sealer).await?;
        let usable = stored.last().is_some_and(|key| key.algorithm == algorithm);
        if !usable && algorithm != Algorithm::HS256 {
            // The first key is active since ever, so that replicas which start at once agree on it: one insert wins.
            let active_from = if stored.is_empty() { 0 } else { now };
            make_signing_key(store, sealer, algorithm, now, active_from).await?;
            stored = open_signing_keys(store, sealer).await?;
        }
        let published = publish(&stored)?;
        let signer = match shared_secret {
            Some(secret) => SigningKey::shared_secret(secret.expose_secret().as_bytes()),
            None => stored.pop().ok_or(KeyringError::Crypto)?,
        };
        if signer.algorithm != algorithm {
            log::warn!(
                "another process has made a newer signing key: tokens are signed with {}",
                signer.algorithm
            );
        }
        log::info!("signing with {} key {}", signer.algorithm, signer.kid);
        Ok(Self { signer, refresh: open_refresh_key(store, sealer, now).await?, published })
    }

    /// Signs an access token (RFC 9068).
    ///
    /// # Errors
    /// [`KeyringError::Crypto`].
    pub fn sign(&self, claims: &Claims) -> Result<String, KeyringError> {
        let payload = serde_json::to_vec(claims).map_err(|_| KeyringError::Crypto)?;
        self.signer.sign_access_token(&payload).map_err(|_| KeyringError::Crypto)
    }

    /// The algorithm that access tokens are signed with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.signer.algorithm
    }

    /// The public keys.
    #[must_use]
    pub fn published(&self) -> &PublishedKeys {
        &self.published
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

/// The signing keys that open, oldest first. A row that does not open is never used or published; if it is the newest,
/// this is no place to go on.
async fn open_signing_keys(store: &Store, sealer: &Sealer) -> Result<Vec<SigningKey>, KeyringError> {
    let rows = store.read(|db| keys::of_purpose(db, ACCESS)).await?;
    let opened: BTreeMap<i64, SigningKey> =
        rows.iter().filter_map(|row| Some((row.active_from, open_signing_key(sealer, row)?))).collect();
    match rows.last() {
        Some(newest) if !opened.contains_key(&newest.active_from) => {
            Err(KeyringError::Sealed { purpose: ACCESS })
        }
        _ => Ok(opened.into_values().collect()),
    }
}

fn open_signing_key(sealer: &Sealer, row: &SealedKey) -> Option<SigningKey> {
    let key = sealer
        .open(&context(row), &row.sealed)
        .and_then(|pkcs8| SigningKey::from_pkcs8(row.algorithm.parse().ok()?, &pkcs8))
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
    let kid = SigningKey::from_pkcs8(algorithm, &pkcs8).ok_or(KeyringError::Crypto)?.kid;
    store_key(store, sealer, kid, ACCESS, &algorithm.to_string(), created_at, active_from, &pkcs8).await
}

async fn open_refresh_key(store: &Store, sealer: &Sealer, now: i64) -> Result<RefreshKey, KeyringError> {
    let newest = async || Ok::<_, StoreError>(store.read(|db| keys::of_purpose(db, REFRESH)).await?.pop());
    let row = if let Some(row) = newest().await? {
        row
    } else {
        let kid = URL_SAFE_NO_PAD.encode(random::bytes::<8>().as_slice());
        store_key(store, sealer, kid, REFRESH, "HS256", now, 0, random::bytes::<32>().as_slice()).await?;
        newest().await?.ok_or(KeyringError::Crypto)?
    };
    let secret = sealer.open(&context(&row), &row.sealed).ok_or(KeyringError::Sealed { purpose: REFRESH })?;
    let id = RefreshKey::parse_id(&row.kid).ok_or(KeyringError::Crypto)?;
    Ok(RefreshKey::new(id, &secret))
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

fn publish(keys: &[SigningKey]) -> Result<PublishedKeys, KeyringError> {
    let set = JwkSet { keys: keys.iter().filter_map(|key| key.public.clone()).collect() };
    let json = serde_json::to_string(&set).map_err(|_| KeyringError::Crypto)?;
    let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest(&SHA256, json.as_bytes()).as_ref()[..16]));
    Ok(PublishedKeys { json, etag })
}
