//! Keys as rows: sealed, opened, and sealed anew when the master key was replaced.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shared_claims::verifier::Algorithm;

use crate::domain::keyring::audit_key::AuditKey;
use crate::domain::keyring::error::KeyringError;
use crate::domain::keyring::name_key::NameKey;
use crate::domain::keyring::refresh_key::RefreshKey;
use crate::domain::keyring::sealing::Sealer;
use crate::domain::keyring::signing_key::SigningKey;
use crate::domain::keyring::times::Times;
use crate::domain::random;
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::issuance;
use crate::store::issuance::Issuance;
use crate::store::keys;
use crate::store::keys::SealedKey;
use crate::store::master_keys;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Signs access tokens and status lists.
    Access,
    /// Makes refresh tokens.
    Refresh,
    /// Proves the audit trail. It is never succeeded by another one.
    Audit,
    /// Digests names that rest. It is never succeeded by another one.
    Names,
}

impl Purpose {
    pub(super) const ALL: [Self; 4] = [Self::Access, Self::Refresh, Self::Audit, Self::Names];
    /// Those whose keys come and go.
    pub(super) const ROTATED: [Self; 2] = [Self::Access, Self::Refresh];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Audit => "audit",
            Self::Names => "names",
        }
    }
}

/// Everything that is stored about keys, as it was read together.
pub(super) struct Stored {
    pub(super) issuance: Issuance,
    /// The master key that keys are sealed with from now on; `None` in a database that knows none yet.
    pub(super) newest_master_key: Option<String>,
    /// Oldest first.
    access: Vec<SealedKey>,
    /// Oldest first.
    refresh: Vec<SealedKey>,
    /// Oldest first.
    audit: Vec<SealedKey>,
    /// Oldest first.
    names: Vec<SealedKey>,
}

/// What opened of it. A row that does not open is neither used nor published.
#[derive(Default)]
pub(super) struct Opened {
    /// Oldest first.
    pub(super) signing: Vec<Arc<SigningKey>>,
    /// Oldest first.
    pub(super) refresh: Vec<Arc<RefreshKey>>,
    /// Oldest first.
    pub(super) audit: Vec<AuditKey>,
    /// Oldest first.
    pub(super) names: Vec<NameKey>,
    /// Rows that do not open, by purpose and id.
    pub(super) closed: Vec<(Purpose, String)>,
    /// Ids of the master keys that the rows were sealed with.
    sealed_by: Vec<String>,
}

impl Stored {
    pub(super) async fn read(store: &Store) -> Result<Self, StoreError> {
        let read = |db: &mut Connection| {
            // The revision first: a change in between is then seen at the next look.
            let issuance = issuance::read(db)?;
            let access = keys::of_purpose(db, Purpose::Access.as_str())?;
            let refresh = keys::of_purpose(db, Purpose::Refresh.as_str())?;
            let audit = keys::of_purpose(db, Purpose::Audit.as_str())?;
            let names = keys::of_purpose(db, Purpose::Names.as_str())?;
            let newest_master_key = master_keys::newest(db)?;
            Ok(Self { issuance, newest_master_key, access, refresh, audit, names })
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
            Purpose::Names => &self.names,
        }
    }

    /// Opens what can be opened.
    pub(super) fn open(&self, sealer: &Sealer) -> Opened {
        let mut opened = Opened::default();
        for row in &self.access {
            opened.take(sealer, row, Purpose::Access, |opened, secret| {
                let key = SigningKey::from_pkcs8(row.algorithm.parse().ok()?, secret, Times::of(row));
                opened.signing.push(Arc::new(key.filter(|key| key.kid == row.kid)?));
                Some(())
            });
        }
        for row in &self.refresh {
            opened.take(sealer, row, Purpose::Refresh, |opened, secret| {
                opened.refresh.push(Arc::new(RefreshKey::new(&row.kid, secret, Times::of(row))?));
                Some(())
            });
        }
        for row in &self.audit {
            opened.take(sealer, row, Purpose::Audit, |opened, secret| {
                opened.audit.push(AuditKey::new(&row.kid, secret));
                Some(())
            });
        }
        for row in &self.names {
            opened.take(sealer, row, Purpose::Names, |opened, secret| {
                opened.names.push(NameKey::new(secret));
                Some(())
            });
        }
        opened
    }

    /// Whether there is a row of this purpose and id, whether it opens or not.
    pub(super) fn has(&self, purpose: Purpose, kid: &str) -> bool {
        self.rows(purpose).iter().any(|row| row.kid == kid)
    }

    /// When there are rows and none of them opens, it is the master key that is wrong. Where others open, a process runs, to
    /// say so and to replace them; but none runs without a key for the audit trail and one for names.
    ///
    /// # Errors
    /// [`KeyringError::Sealed`].
    pub(super) fn check_master_key(&self, opened: &Opened) -> Result<(), KeyringError> {
        let counts = [
            (Purpose::Access, opened.signing.len()),
            (Purpose::Refresh, opened.refresh.len()),
            (Purpose::Audit, opened.audit.len()),
            (Purpose::Names, opened.names.len()),
        ];
        let nothing_opens = counts.iter().all(|(_, count)| *count == 0);
        let sealed = |(purpose, count): &(Purpose, usize)| {
            let is_needed = nothing_opens || !Purpose::ROTATED.contains(purpose);
            *count == 0 && is_needed && !self.rows(*purpose).is_empty()
        };
        match counts.into_iter().find(sealed) {
            Some((purpose, _)) => Err(KeyringError::Sealed { purpose: purpose.as_str() }),
            None => Ok(()),
        }
    }

    /// Rows that are sealed with another master key than the newest one, as they were and sealed anew.
    fn stale(&self, sealer: &Sealer) -> Vec<Resealed> {
        let rows = Purpose::ALL.into_iter().flat_map(|purpose| self.rows(purpose));
        let stale = |row: &SealedKey| {
            let found = sealer.open(&context(row), &row.sealed)?;
            (found.by != sealer.sealing_id()).then(|| Resealed {
                kid: row.kid.clone(),
                old: row.sealed.clone(),
                new: sealer.seal(&context(row), &found.secret),
            })
        };
        rows.filter_map(stale).collect()
    }
}

impl Opened {
    fn take(
        &mut self,
        sealer: &Sealer,
        row: &SealedKey,
        purpose: Purpose,
        add: impl FnOnce(&mut Self, &[u8]) -> Option<()>,
    ) {
        let found = sealer.open(&context(row), &row.sealed);
        match found.and_then(|found| add(self, &found.secret).map(|()| found)) {
            Some(found) => self.sealed_by.push(found.by),
            None => self.closed.push((purpose, row.kid.clone())),
        }
    }

    /// Whether a row was sealed with this master key.
    pub(super) fn was_sealed_by(&self, master_key: Option<&str>) -> bool {
        self.sealed_by.iter().any(|id| Some(id.as_str()) == master_key)
    }

    /// Whether a row was sealed with another master key.
    pub(super) fn is_stale(&self, master_key: &str) -> bool {
        self.sealed_by.iter().any(|id| id != master_key)
    }
}

/// A row that is to be sealed with the newest master key.
struct Resealed {
    kid: String,
    old: String,
    new: String,
}

/// Seals with the newest master key what is sealed with another one; says how many rows that were. Nothing happens in a
/// process that does not have the newest one: no row is ever sealed with an older key again.
pub(super) async fn reseal(store: &Store, sealer: &Sealer) -> Result<usize, StoreError> {
    let stored = Stored::read(store).await?;
    sealer.follow(stored.newest_master_key.as_deref());
    let stale = stored.stale(sealer);
    if stale.is_empty() || stored.newest_master_key.as_deref() != Some(sealer.sealing_id()) {
        return Ok(0);
    }
    let sealed_with = sealer.sealing_id().to_owned();
    let change = move |db: &mut Connection| {
        issuance::hold(db)?; // of those who change several keys or add a master key, one is at it
        if master_keys::newest(db)?.as_deref() != Some(&sealed_with) {
            return Ok(0);
        }
        stale.iter().try_fold(0, |count, key| Ok(count + keys::reseal(db, &key.kid, &key.old, &key.new)?))
    };
    store.write::<_, StoreError>(change).await
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

/// Ids of the keys for names that the master key does not open: names that rest cannot be told by them any more.
///
/// # Errors
/// The store's.
pub async fn unopened_name_keys(store: &Store, sealer: &Sealer) -> Result<Vec<String>, StoreError> {
    let stored = Stored::read(store).await?;
    let unopened = stored.names.iter().filter(|row| sealer.open(&context(row), &row.sealed).is_none());
    Ok(unopened.map(|row| row.kid.clone()).collect())
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
        Purpose::Refresh | Purpose::Audit | Purpose::Names => {
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
