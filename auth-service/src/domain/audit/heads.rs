//! Chain heads, and what they say together. An attacker with the database can insert heads: only genuine ones count.

use std::collections::BTreeSet;

use crate::domain::audit::mac::head_is_genuine;
use crate::domain::keyring::AuditKeys;
use crate::store::audit_heads;
use crate::store::audit_heads::AuditHead;
use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;

/// The number of heads that are read at once.
const STEP: i64 = 1000;
/// No service begins this many chains. A number beyond it, on a head that is not genuine, is ignored.
const PLAUSIBLE: i64 = 1 << 40;

/// The head of a chain: its last position, and the MAC of that row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChainHead {
    pub(super) chain: String,
    /// 0 until the head is stored.
    pub(super) number: i64,
    pub(super) position: i64,
    pub(super) mac: String,
}

impl ChainHead {
    pub(super) fn of(head: &AuditHead) -> Self {
        let AuditHead { chain, number, position, mac, .. } = head.clone();
        Self { chain, number, position, mac }
    }

    /// Returns the head in the form of a checkpoint.
    pub(super) fn checkpoint(&self) -> String {
        format!("{}:{}:{}", self.chain, self.position, self.mac)
    }
}

/// Reads all heads, in the order of their numbers.
pub(super) fn all(db: &mut Connection) -> Result<Vec<AuditHead>, StoreError> {
    let mut heads: Vec<AuditHead> = Vec::new();
    loop {
        let after = heads.last().map(|head| head.number);
        let more = audit_heads::behind(db, after, STEP)?;
        // Values that do not rise are not numbers: in SQLite a column may hold anything.
        if more.last().map(|head| head.number) <= after {
            return Ok(heads);
        }
        heads.extend(more);
    }
}

/// Reads the genuine head with the highest number.
pub(super) fn newest(db: &mut Connection, keys: &AuditKeys) -> Result<Option<AuditHead>, StoreError> {
    // Nearly always the first one is it.
    let (mut before, mut most) = (None, 1);
    loop {
        let heads = audit_heads::down_from(db, before, most)?;
        let Some(last) = heads.last() else { return Ok(None) };
        (before, most) = (Some(last.number), STEP);
        if let Some(genuine) = heads.into_iter().find(|head| head_is_genuine(keys, head)) {
            return Ok(Some(genuine));
        }
    }
}

/// Returns the number of a new chain: one that no chain ever had, including chains that were deleted.
pub(super) fn free_number(db: &mut Connection, keys: &AuditKeys) -> Result<i64, StoreError> {
    let heads = all(db)?;
    let genuine = heads.iter().filter(|head| head_is_genuine(keys, head));
    let highest = genuine.map(|head| head.number.max(head.newest)).max();
    // After the loss of a key no head is genuine, and there may be chains all the same.
    let unproven = || heads.iter().map(|head| head.number).filter(|number| *number < PLAUSIBLE).max();
    let highest = highest.or_else(unproven).unwrap_or(0).max(0);
    let taken: BTreeSet<i64> = heads.iter().map(|head| head.number).collect();
    Ok((highest.saturating_add(1)..=i64::MAX).find(|number| !taken.contains(number)).unwrap_or(i64::MAX))
}
