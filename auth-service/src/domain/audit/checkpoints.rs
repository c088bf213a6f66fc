//! Checkpoints of the other chains, for the rows of this one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::domain::audit::event::{Event, EventKind};
use crate::domain::audit::heads;
use crate::domain::audit::heads::ChainHead;
use crate::domain::audit::mac::head_is_genuine;
use crate::domain::keyring::AuditKeys;
use crate::store::audit_events;
use crate::store::audit_heads::AuditHead;
use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;

/// The number of checkpoints in one row: some 4 KiB.
const PER_ROW: usize = 32;
/// The time that may pass between reading the other heads and the first row of a chain, in seconds, with the database away
/// meanwhile.
const MARGIN: i64 = 600;

/// The checkpoints that this process has written: the last one of each other chain, by its position.
#[derive(Debug, Clone, Default)]
pub(super) struct Checkpoints(BTreeMap<String, i64>);

impl Checkpoints {
    /// Reads the heads of the chains that have grown since their last checkpoint.
    ///
    /// A process that has written none leaves out chains that have not grown since the newest chain began: that one has
    /// checkpoints of them.
    pub(super) fn due(
        self,
        db: &mut Connection,
        keys: &AuditKeys,
    ) -> Result<(Self, Vec<ChainHead>), StoreError> {
        let mut heads = heads::all(db)?;
        heads.retain(|head| head.position >= head.first_position && head_is_genuine(keys, head));
        let begun = heads.iter().map(|head| head.started_at).max().unwrap_or_default();
        let since = self.0.is_empty().then(|| begun.saturating_sub(MARGIN));
        let mut grown = Vec::new();
        for head in heads.iter().filter(|head| self.0.get(&head.chain) != Some(&head.position)) {
            let is_due = match since {
                Some(since) => has_grown_since(db, head, since)?,
                None => true,
            };
            if is_due {
                grown.push(ChainHead::of(head));
            }
        }
        let written = heads.into_iter().map(|head| (head.chain, head.position)).collect();
        Ok((Self(written), grown))
    }
}

fn has_grown_since(db: &mut Connection, head: &AuditHead, since: i64) -> Result<bool, StoreError> {
    if let Some(closed_at) = head.closed_at {
        return Ok(closed_at >= since);
    }
    let last = audit_events::of_chain(db, &head.chain, Some(head.position.saturating_sub(1)), 1)?;
    Ok(last.first().is_none_or(|row| row.occurred_at >= since))
}

/// Returns checkpoints of these heads, in parts that fit into one row.
pub(super) fn parts(heads: &[ChainHead]) -> impl Iterator<Item = Value> {
    let checkpoint = |head: &ChainHead| json!({ "number": head.number, "stood": head.checkpoint() });
    heads.chunks(PER_ROW).map(move |part| part.iter().map(checkpoint).collect())
}

/// Returns an event for each part.
pub(super) fn events(parts: impl Iterator<Item = Value>) -> impl Iterator<Item = Event> {
    parts.map(|part| Event::of(EventKind::HeadsSeen).with("heads", part))
}
