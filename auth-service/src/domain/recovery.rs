//! Putting a restored database into service (`auth-service recover`).
//!
//! A copy of the database is older than what was answered: in it, tokens that were used are unused, and sessions that were
//! ended go on. So everything that was ever given is made worthless: refresh tokens by a new epoch, access tokens by new
//! keys, and the status list indexes that were assigned since by not assigning them again.

use crate::domain::keyring;
use crate::domain::keyring::{KeyringError, Plan, Sealer, UnopenedAuditKeys};
use crate::domain::random;
use crate::domain::status_lists::status_index::LIST_SIZE;
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::issuance;
use crate::store::issuance::Beginning;
use crate::store::{
    audit_heads, clients, keys, master_keys, processes, resting_names, revocations, sessions, status_lists,
};

/// How far indexes and revisions skip: more than could have been assigned between a copy and its restoration.
const SKIP: i64 = 1 << 32;

/// What a recovery did.
#[derive(Debug)]
pub struct Recovered {
    /// How many sessions had not been ended before.
    pub ended: usize,
    /// The name that the database had: what has it from now on is a copy from before.
    pub former_name: Option<String>,
    /// The audit keys that were lost with the master key: they are gone, and what they prove cannot be proven any more.
    pub lost_audit_keys: Vec<String>,
    /// The audit keys that do not open although others do: somebody changed them. They stay, as evidence.
    pub tampered_audit_keys: Vec<String>,
    /// The number of the newest chain of the audit trail; 0 when there was none.
    pub newest_chain: i64,
}

/// Ends every session and begins anew, with new keys. Accounts, passwords, clients and their secrets stay, and so does the
/// audit trail. The keys in the database need not open. `highest_epoch` is the highest one that was seen of any database:
/// the copy may be from before it. The database gets another name, so that marks of it no longer apply, here and elsewhere.
///
/// # Errors
/// The store's, or a key could not be made: nothing has changed.
pub async fn recover(
    store: &Store,
    sealer: &Sealer,
    plan: &Plan,
    highest_epoch: i64,
    now: i64,
) -> Result<Recovered, KeyringError> {
    // Where the newest master key is at hand it stays the newest, whatever the settings call it: other replicas have it.
    sealer.follow(store.read(master_keys::newest).await?.as_deref());
    let fresh = keyring::first_keys(sealer, plan, now)?;
    let UnopenedAuditKeys { lost: lost_audit_keys, tampered: tampered_audit_keys, successor } =
        keyring::unopened_audit_keys(store, sealer, now).await?;
    if !tampered_audit_keys.is_empty() {
        log::error!("somebody changed keys of the audit trail in the database: {tampered_audit_keys:?}");
    }
    let lost = lost_audit_keys.clone();
    let lost_name_keys = keyring::unopened_name_keys(store, sealer).await?;
    if !lost_name_keys.is_empty() {
        log::warn!("the key of the names that rest does not open: they are free, and a new key is made");
    }
    let (database_id, master_key) = (random::id(), sealer.sealing_id().to_owned());
    let begin_anew = move |db: &mut Connection| {
        let before = issuance::read(db)?;
        let beginning = Beginning {
            epoch: before.epoch.max(highest_epoch).saturating_add(1),
            next_status_index: (before.next_status_index.saturating_add(SKIP) / LIST_SIZE + 1) * LIST_SIZE,
            keys_revision: before.keys_revision.saturating_add(SKIP),
            database_id,
        };
        issuance::begin_epoch(db, &beginning)?;
        master_keys::put_last(db, &master_key)?;
        let ended = sessions::end_everything(db, now)?;
        clients::drop_status_indexes(db)?;
        processes::forget_all(db)?;
        revocations::forget_all(db)?;
        status_lists::drop_all(db)?;
        for purpose in ["access", "refresh"] {
            keys::delete_all(db, purpose)?;
        }
        keys::delete(db, &lost)?;
        if keys::delete(db, &lost_name_keys)? > 0 {
            resting_names::forget_all(db)?;
        }
        fresh.iter().chain(&successor).try_for_each(|key| keys::insert(db, key))?;
        Ok::<_, StoreError>((
            ended,
            before.database_id,
            audit_heads::down_from(db, None, 1)?.first().map_or(0, |head| head.number),
        ))
    };
    let (ended, former_name, newest_chain) = store.write(begin_anew).await?;
    Ok(Recovered { ended, former_name, lost_audit_keys, tampered_audit_keys, newest_chain })
}
