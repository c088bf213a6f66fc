//! The master key, and what is sealed with it: AES-256-GCM with a random nonce.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::private_file;
use zeroize::Zeroizing;

use crate::domain::random;

const KEY_BYTES: usize = 32;

/// Why there is no usable master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// What was given is not a key.
    #[error("the master key must be 32 bytes in base64; `openssl rand -base64 32` makes one")]
    Form,
    /// There is none, and none is made.
    #[error(
        "there is no master key in {0}, nor is one given as master_key (AUTH__MASTER_KEY), and the database has keys that \
         are sealed with one: put it back. If it is lost, `auth-service recover --new-master-key` makes a new one and new \
         keys, and ends every session; accounts and passwords stay"
    )]
    Missing(PathBuf),
    /// There is none yet.
    #[error(
        "there is no master key in {0}, nor is one given as master_key (AUTH__MASTER_KEY): `auth-service serve` makes one \
         at its first start on a new database"
    )]
    NotYet(PathBuf),
    /// There is one already.
    #[error("{0} holds a master key: move it away if it is to be replaced by a new one")]
    Exists(PathBuf),
    /// It is given by the settings.
    #[error("master_key (AUTH__MASTER_KEY) is given: change it there")]
    Given,
    /// The file of the generated key cannot be read or made.
    #[error("cannot read or make the master key in {0}: {1}")]
    File(PathBuf, io::Error),
}

/// Seals secrets for the database with a master key, and opens them with it or with another one.
///
/// Which of two keys is the newer one says the database, not the settings: while a master key is replaced, some replicas have
/// the new one as `master_key`, and others still as `master_key_previous`.
#[derive(Debug)]
pub struct Sealer {
    current: MasterKey,
    previous: Option<MasterKey>,
    /// Whether the key that the settings call the previous one is the newer one.
    seals_with_previous: AtomicBool,
    /// Derived from the master key.
    digests: hmac::Key,
}

#[derive(Debug)]
struct MasterKey {
    aead: RandomizedNonceKey,
    /// A keyed digest, by which the database names it.
    id: String,
}

impl Sealer {
    /// A sealer from keys in base64.
    ///
    /// # Errors
    /// [`MasterKeyError::Form`].
    pub fn new(current: &SecretString, previous: Option<&SecretString>) -> Result<Self, MasterKeyError> {
        let bytes = key_bytes(current)?;
        let previous = previous.map(|previous| MasterKey::new(&key_bytes(previous)?)).transpose()?;
        let seals_with_previous = AtomicBool::new(false);
        Ok(Self {
            current: MasterKey::new(&bytes)?,
            previous,
            seals_with_previous,
            digests: derived_key(&bytes, b"auth-service digests")?,
        })
    }

    /// The id of `master_key`.
    pub(super) fn current_id(&self) -> &str {
        &self.current.id
    }

    /// The id of `master_key_previous`.
    pub(super) fn previous_id(&self) -> Option<&str> {
        self.previous.as_ref().map(|key| key.id.as_str())
    }

    /// Seals with this master key from now on, if it is at hand.
    pub(in crate::domain) fn follow(&self, newest: Option<&str>) {
        if newest == Some(self.current_id()) {
            self.seals_with_previous.store(false, Ordering::Relaxed);
        } else if newest.is_some() && newest == self.previous_id() {
            self.seals_with_previous.store(true, Ordering::Relaxed);
        }
    }

    fn sealing(&self) -> &MasterKey {
        let previous = self.previous.as_ref().filter(|_| self.seals_with_previous.load(Ordering::Relaxed));
        previous.unwrap_or(&self.current)
    }

    /// The id of the master key that [`seal`](Self::seal) uses.
    pub(in crate::domain) fn sealing_id(&self) -> &str {
        &self.sealing().id
    }

    /// What stands for a text, as nobody without the master key can tell: HMAC-SHA-256.
    #[must_use]
    pub fn digest(&self, text: &str) -> hmac::Tag {
        hmac::sign(&self.digests, text.as_bytes())
    }

    /// Base64 of nonce, ciphertext and tag. `context` is authenticated: it opens under the same one only.
    ///
    /// # Panics
    /// When the secret is longer than AES-GCM can take, 64 GiB.
    #[must_use]
    #[expect(clippy::expect_used, reason = "AES-GCM fails only past 2^36 bytes")]
    pub fn seal(&self, context: &str, secret: &[u8]) -> String {
        let mut sealed = Zeroizing::new(secret.to_vec());
        let nonce = self
            .sealing()
            .aead
            .seal_in_place_append_tag(Aad::from(context), &mut *sealed)
            .expect("a private key is far shorter than AES-GCM's limit");
        STANDARD.encode([nonce.as_ref(), sealed.as_slice()].concat())
    }

    /// What was sealed, or `None` when neither key opens it under this context.
    #[must_use]
    pub fn open(&self, context: &str, sealed: &str) -> Option<Opened> {
        let sealed = STANDARD.decode(sealed).ok()?;
        [Some(&self.current), self.previous.as_ref()].into_iter().flatten().find_map(|key| {
            let secret = open_with(&key.aead, context, &sealed)?;
            Some(Opened { secret, by: key.id.clone() })
        })
    }
}

/// What was sealed.
#[derive(Debug)]
pub struct Opened {
    /// The secret, wiped when it is dropped.
    pub secret: Zeroizing<Vec<u8>>,
    /// The id of the master key that it was sealed with.
    pub(super) by: String,
}

fn open_with(key: &RandomizedNonceKey, context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN)?;
    let mut opened = Zeroizing::new(ciphertext.to_vec());
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let length = key.open_in_place(nonce, Aad::from(context), &mut opened).ok()?.len();
    opened.truncate(length);
    Some(opened)
}

fn key_bytes(base64: &SecretString) -> Result<Zeroizing<Vec<u8>>, MasterKeyError> {
    let bytes = STANDARD
        .decode(base64.expose_secret().trim())
        .map(Zeroizing::new)
        .map_err(|_| MasterKeyError::Form)?;
    if bytes.len() == KEY_BYTES { Ok(bytes) } else { Err(MasterKeyError::Form) }
}

impl MasterKey {
    fn new(bytes: &[u8]) -> Result<Self, MasterKeyError> {
        let aead = RandomizedNonceKey::new(&AES_256_GCM, bytes).map_err(|_| MasterKeyError::Form)?;
        let digest = hmac::sign(&derived_key(bytes, b"auth-service master key id")?, b"");
        Ok(Self { aead, id: URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16]) })
    }
}

/// HKDF (RFC 5869): no key serves two purposes.
fn derived_key(bytes: &[u8], purpose: &[u8]) -> Result<hmac::Key, MasterKeyError> {
    let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(bytes);
    let info = [purpose];
    let derived = pseudorandom.expand(&info, hmac::HMAC_SHA256);
    derived.map(hmac::Key::from).map_err(|_| MasterKeyError::Form)
}

/// The master key in the file at `path`; makes it, readable by its owner alone, when there is none. Says whether it did.
///
/// Processes that share the folder agree on one key: it appears under its name complete or not at all, and once.
///
/// # Errors
/// [`MasterKeyError::File`].
pub fn load_or_create(path: &Path) -> Result<(SecretString, bool), MasterKeyError> {
    let failed = |error| MasterKeyError::File(path.to_owned(), error);
    if let Some(key) = load(path)? {
        return Ok((key, false));
    }
    let encoded = Zeroizing::new(STANDARD.encode(random::bytes::<KEY_BYTES>().as_slice()));
    let created = private_file::create(path, encoded.as_bytes()).map_err(failed)?;
    let key = fs::read_to_string(path).map_err(failed)?;
    Ok((key.into(), created))
}

/// The master key in the file at `path`, if there is one.
///
/// # Errors
/// [`MasterKeyError::File`].
pub fn load(path: &Path) -> Result<Option<SecretString>, MasterKeyError> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(MasterKeyError::File(path.to_owned(), error)),
        Ok(key) => Ok(Some(key.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SecretString {
        STANDARD.encode([byte; KEY_BYTES]).into()
    }

    #[test]
    fn a_secret_opens_only_with_its_key_and_its_context() {
        let keeper = Sealer::new(&key(1), None).unwrap();
        let sealed = keeper.seal("kid 1", b"secret");
        assert_eq!(**keeper.open("kid 1", &sealed).unwrap().secret, *b"secret");
        assert!(keeper.open("kid 2", &sealed).is_none());
        assert!(Sealer::new(&key(2), None).unwrap().open("kid 1", &sealed).is_none());
        assert!(keeper.open("kid 1", "").is_none());
    }

    #[test]
    fn a_digest_depends_on_the_key_and_the_text() {
        let digest = |byte, text: &str| Sealer::new(&key(byte), None).unwrap().digest(text).as_ref().to_vec();
        assert_eq!(digest(1, "alice"), digest(1, "alice"));
        assert_ne!(digest(1, "alice"), digest(2, "alice"));
        assert_ne!(digest(1, "alice"), digest(1, "alicf"));
    }

    #[test]
    fn either_master_key_opens_and_the_newest_one_that_the_database_knows_seals() {
        let [old, new] = [1, 2].map(|byte| Sealer::new(&key(byte), None).unwrap());
        let sealed = old.seal("kid", b"secret");
        // Before the swap, and after it.
        let [before, after] =
            [(1, 2), (2, 1)].map(|(current, other)| Sealer::new(&key(current), Some(&key(other))).unwrap());
        for both in [&before, &after] {
            assert_eq!(both.open("kid", &sealed).unwrap().by, old.current_id());
            both.follow(Some(old.current_id()));
            assert_eq!(both.open("kid", &both.seal("kid", b"secret")).unwrap().by, old.current_id());
            both.follow(Some(new.current_id()));
            assert_eq!(both.open("kid", &both.seal("kid", b"secret")).unwrap().by, new.current_id());
            both.follow(Some("one that is not at hand"));
            assert_eq!(both.sealing_id(), new.current_id());
        }
    }

    #[test]
    fn the_generated_key_is_private_and_made_once() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let (first, created) = load_or_create(&path).unwrap();
        let (second, created_again) = load_or_create(&path).unwrap();
        assert_eq!((created, created_again), (true, false));
        assert_eq!(first.expose_secret(), second.expose_secret());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the draft is gone");
        Sealer::new(&first, None).unwrap();
    }
}
