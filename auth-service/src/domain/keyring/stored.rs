//! Keys as rows: sealed, opened, and sealed anew when the master key was replaced.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shared_claims::verifier::Algorithm;

use super::audit_key::AuditKey;
use super::refresh_key::RefreshKey;
use super::signing_key::SigningKey;
use super::{KeyringError, Sealer, Times};
use crate::domain::random;
use crate::store::issuance::{self, Issuance};
use crate::store::keys::{self, SealedKey};
use crate::store::{Connection, Store, StoreError};

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Signs access tokens and status lists.
    Access,
    /// Makes refresh tokens.
    Refresh,
    /// Proves the audit trail. It is never succeeded by another one.
    Audit,
}

impl Purpose {
    pub(super) const ALL: [Self; 3] = [Self::Access, Self::Refresh, Self::Audit];
    /// Those whose keys come and go.
    pub(super) const ROTATED: [Self; 2] = [Self::Access, Self::Refresh];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Audit => "audit",
        }
    }
}

/// Everything that is stored about keys, as it was read together.
pub(super) struct Stored {
    pub(super) issuance: Issuance,
    /// Oldest first.
    access: Vec<SealedKey>,
    /// Oldest first.
    refresh: Vec<SealedKey>,
    /// Oldest first.
    audit: Vec<SealedKey>,
}

/// What opened of it. A row that does not open was not made by us: it is neither used nor published.
pub(super) struct Opened {
    /// Oldest first.
    pub(super) signing: Vec<SigningKey>,
    /// Oldest first.
    pub(super) refresh: Vec<RefreshKey>,
    /// Oldest first.
    pub(super) audit: Vec<AuditKey>,
    /// What was sealed with the master key before, and how it should be stored now.
    pub(super) stale: Vec<Resealed>,
}

/// A row that is to be sealed with the master key of now.
pub(super) struct Resealed {
    kid: String,
    old: String,
    new: String,
}

impl Stored {
    pub(super) async fn read(store: &Store) -> Result<Self, StoreError> {
        let read = |db: &mut Connection| {
            // The revision first: a change in between is then seen at the next look.
            let issuance = issuance::read(db)?;
            let access = keys::of_purpose(db, Purpose::Access.as_str())?;
            let refresh = keys::of_purpose(db, Purpose::Refresh.as_str())?;
            Ok(Self { issuance, access, refresh, audit: keys::of_purpose(db, Purpose::Audit.as_str())? })
        };
        store.read(read).await
    }

    /// When the newest row of a purpose becomes active, whether it opens or not.
    pub(super) fn newest(&self, purpose: Purpose) -> Option<i64> {
        self.rows(purpose).last().map(|row| row.active_from)
    }

    fn rows(&self, purpose: Purpose) -> &[SealedKey] {
        match purpose {
            Purpose::Access => &self.access,
            Purpose::Refresh => &self.refresh,
            Purpose::Audit => &self.audit,
        }
    }

    /// Opens what can be opened.
    ///
    /// When there are rows and none of them opens, it is the master key that is wrong: [`KeyringError::Sealed`].
    pub(super) fn open(&self, sealer: &Sealer) -> Result<Opened, KeyringError> {
        let mut opened =
            Opened { signing: Vec::new(), refresh: Vec::new(), audit: Vec::new(), stale: Vec::new() };
        for row in &self.access {
            opened.take(sealer, row, |opened, secret| {
                let key = SigningKey::from_pkcs8(row.algorithm.parse().ok()?, secret, Times::of(row));
                opened.signing.push(key.filter(|key| key.kid == row.kid)?);
                Some(())
            });
        }
        for row in &self.refresh {
            opened.take(sealer, row, |opened, secret| {
                opened.refresh.push(RefreshKey::new(&row.kid, secret, Times::of(row))?);
                Some(())
            });
        }
        for row in &self.audit {
            opened.take(sealer, row, |opened, secret| {
                opened.audit.push(AuditKey::new(&row.kid, secret));
                Some(())
            });
        }
        let none_opens = |purpose, opened: usize| opened == 0 && !self.rows(purpose).is_empty();
        let counts = [
            (Purpose::Access, opened.signing.len()),
            (Purpose::Refresh, opened.refresh.len()),
            (Purpose::Audit, opened.audit.len()),
        ];
        for (purpose, count) in counts {
            if none_opens(purpose, count) {
                return Err(KeyringError::Sealed { purpose: purpose.as_str() });
            }
        }
        Ok(opened)
    }
}

impl Opened {
    fn take(&mut self, sealer: &Sealer, row: &SealedKey, add: impl FnOnce(&mut Self, &[u8]) -> Option<()>) {
        let found = sealer.open(&context(row), &row.sealed);
        match found.and_then(|found| add(self, &found.secret).map(|()| found)) {
            Some(found) if found.by_previous => self.stale.push(Resealed {
                kid: row.kid.clone(),
                old: row.sealed.clone(),
                new: sealer.seal(&context(row), &found.secret),
            }),
            Some(_) => {}
            None => log::error!(
                "the {} key {} in the database does not open; it is neither used nor published",
                row.purpose,
                row.kid
            ),
        }
    }
}

/// Stores keys that were sealed anew. Of several replicas that do it one is first, and that is good enough.
pub(super) async fn reseal(store: &Store, stale: Vec<Resealed>) -> Result<(), StoreError> {
    let count = stale.len();
    let change = move |db: &mut Connection| {
        issuance::hold(db)?; // of who changes several keys only one is at it
        stale.iter().try_for_each(|key| keys::reseal(db, &key.kid, &key.old, &key.new))
    };
    store.write::<_, StoreError>(change).await?;
    log::info!(
        "{count} keys that were sealed with the previous master key are sealed with the new one now; \
         master_key_previous can go when every replica has the new one"
    );
    Ok(())
}

/// Audit keys that the master key does not open: what they prove cannot be proven any more.
#[derive(Debug, Default)]
pub struct UnopenedAuditKeys {
    /// No key of any purpose opens: it is the master key that was lost.
    pub lost: Vec<String>,
    /// Other keys open: these were changed in the database.
    pub tampered: Vec<String>,
    /// Takes their place, where no audit key opens and none is deleted.
    pub successor: Option<SealedKey>,
}

/// What is wrong with the audit keys.
///
/// # Errors
/// The store's, or a key could not be made.
pub async fn unopened_audit_keys(
    store: &Store,
    sealer: &Sealer,
    now: i64,
) -> Result<UnopenedAuditKeys, KeyringError> {
    let stored = Stored::read(store).await?;
    let opens = |row: &SealedKey| sealer.open(&context(row), &row.sealed).is_some();
    let unopened = stored.audit.iter().filter(|row| !opens(row)).map(|row| row.kid.clone()).collect();
    if !Purpose::ALL.iter().flat_map(|purpose| stored.rows(*purpose)).any(opens) {
        return Ok(UnopenedAuditKeys { lost: unopened, ..UnopenedAuditKeys::default() });
    }
    let mut keys = UnopenedAuditKeys { tampered: unopened, ..UnopenedAuditKeys::default() };
    if !keys.tampered.is_empty() && !stored.audit.iter().any(opens) {
        let times = Times { created_at: now, active_from: now };
        keys.successor = Some(new_row(sealer, Purpose::Audit, Algorithm::HS256, times)?);
    }
    Ok(keys)
}

/// A new key as a row. Making an RSA key takes a second: not for a thread that serves requests.
pub(super) fn new_row(
    sealer: &Sealer,
    purpose: Purpose,
    algorithm: Algorithm,
    times: Times,
) -> Result<SealedKey, KeyringError> {
    let (kid, algorithm, secret) = match purpose {
        Purpose::Access => {
            let pkcs8 = SigningKey::generate(algorithm).map_err(|_| KeyringError::Crypto)?;
            let key = SigningKey::from_pkcs8(algorithm, &pkcs8, times).ok_or(KeyringError::Crypto)?;
            (key.kid, algorithm, pkcs8)
        }
        Purpose::Refresh | Purpose::Audit => {
            let kid = URL_SAFE_NO_PAD.encode(random::bytes::<8>().as_slice());
            (kid, Algorithm::HS256, random::bytes::<32>().to_vec().into())
        }
    };
    let mut row = SealedKey {
        kid,
        purpose: purpose.as_str().to_owned(),
        algorithm: algorithm.to_string(),
        sealed: String::new(),
        created_at: times.created_at,
        active_from: times.active_from,
    };
    row.sealed = sealer.seal(&context(&row), &secret);
    Ok(row)
}

/// What a sealed key is bound to: moved to another row, or with another time, it does not open.
fn context(row: &SealedKey) -> String {
    format!("{} {} {} {} {}", row.kid, row.purpose, row.algorithm, row.created_at, row.active_from)
}
