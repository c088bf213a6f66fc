//! What the heads of all chains say together. Anybody with the database can put heads there: only genuine ones count.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::domain::audit::chain::head_is_genuine;
use crate::domain::audit::{Event, EventKind};
use crate::domain::keyring::AuditKeys;
use crate::store::audit_events;
use crate::store::audit_heads;
use crate::store::audit_heads::AuditHead;
use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;

/// How many heads are read at once.
const STEP: i64 = 1000;
/// How many heads one row tells of: some 4 KiB.
const TOLD: usize = 32;
/// No service begins so many chains. Beyond it, a number that nothing proves is not believed.
const PLAUSIBLE: i64 = 1 << 40;
/// Between the look at the others and the first row of a chain, in seconds, with the database away meanwhile.
const MARGIN: i64 = 600;

/// Where a chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) chain: String,
    /// 0 until its head is stored.
    pub(super) number: i64,
    pub(super) position: i64,
    pub(super) mac: String,
}

impl Stand {
    pub(super) fn of(head: &AuditHead) -> Self {
        let AuditHead { chain, number, position, mac, .. } = head.clone();
        Self { chain, number, position, mac }
    }

    pub(super) fn anchor(&self) -> String {
        format!("{}:{}:{}", self.chain, self.position, self.mac)
    }
}

/// All heads, in the order of their numbers.
fn all(db: &mut Connection) -> Result<Vec<AuditHead>, StoreError> {
    let mut heads: Vec<AuditHead> = Vec::new();
    loop {
        let after = heads.last().map(|head| head.number);
        let more = audit_heads::behind(db, after, STEP)?;
        // Numbers that do not rise are none.
        if more.last().map(|head| head.number) <= after {
            return Ok(heads);
        }
        heads.extend(more);
    }
}

/// The head of the newest chain.
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

/// The number for a new chain: one that no chain ever had, also none that was deleted since.
pub(super) fn free_number(db: &mut Connection, keys: &AuditKeys) -> Result<i64, StoreError> {
    let heads = all(db)?;
    let genuine = heads.iter().filter(|head| head_is_genuine(keys, head));
    let highest = genuine.map(|head| head.number.max(head.newest)).max();
    // With a lost key nothing is proven, and there may be chains all the same.
    let unproven = || heads.iter().map(|head| head.number).filter(|number| *number < PLAUSIBLE).max();
    let highest = highest.or_else(unproven).unwrap_or(0).max(0);
    let taken: BTreeSet<i64> = heads.iter().map(|head| head.number).collect();
    Ok((highest.saturating_add(1)..=i64::MAX).find(|number| !taken.contains(number)).unwrap_or(i64::MAX))
}

/// What one process has told of the chains of others: up to which position.
#[derive(Debug, Clone, Default)]
pub(super) struct Told(BTreeMap<String, i64>);

impl Told {
    /// Chains that have moved since they were last told. A process that has told nothing leaves out those that stood still
    /// since before the newest one began, which has told of them.
    pub(super) fn look(
        self,
        db: &mut Connection,
        keys: &AuditKeys,
    ) -> Result<(Self, Vec<Stand>), StoreError> {
        let mut heads = all(db)?;
        heads.retain(|head| head.position >= head.first_position && head_is_genuine(keys, head));
        let begun = heads.iter().map(|head| head.started_at).max().unwrap_or_default();
        let since = self.0.is_empty().then(|| begun.saturating_sub(MARGIN));
        let mut moved = Vec::new();
        for head in heads.iter().filter(|head| self.0.get(&head.chain) != Some(&head.position)) {
            let is_news = match since {
                Some(since) => moved_since(db, head, since)?,
                None => true,
            };
            if is_news {
                moved.push(Stand::of(head));
            }
        }
        let told = heads.into_iter().map(|head| (head.chain, head.position)).collect();
        Ok((Self(told), moved))
    }
}

fn moved_since(db: &mut Connection, head: &AuditHead, since: i64) -> Result<bool, StoreError> {
    if let Some(closed_at) = head.closed_at {
        return Ok(closed_at >= since);
    }
    let last = audit_events::of_chain(db, &head.chain, Some(head.position.saturating_sub(1)), 1)?;
    Ok(last.first().is_none_or(|row| row.occurred_at >= since))
}

/// Where chains stand, in parts that one row holds.
pub(super) fn parts(stands: &[Stand]) -> impl Iterator<Item = Value> {
    let told = |stand: &Stand| json!({ "number": stand.number, "stood": stand.anchor() });
    stands.chunks(TOLD).map(move |part| part.iter().map(told).collect())
}

/// The same as events.
pub(super) fn seen(parts: impl Iterator<Item = Value>) -> impl Iterator<Item = Event> {
    parts.map(|part| Event::of(EventKind::HeadsSeen).with("heads", part))
}
