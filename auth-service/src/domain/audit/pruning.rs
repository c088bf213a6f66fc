//! Deletion of old rows, the oldest first. The rest stays provable: the head of a chain names its first row, under its MAC. An
//! attacker without the key cannot write such a head.

use std::time::Duration;

use tokio::time::sleep;

use crate::domain::audit::event::{Event, EventKind};
use crate::domain::audit::mac::{head_is_genuine, row_is_genuine, sign};
use crate::domain::audit::trail::Trail;
use crate::domain::keyring::AuditKeys;
use crate::store::audit_events;
use crate::store::audit_heads;
use crate::store::audit_heads::AuditHead;
use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;

/// The time between two steps, for requests.
const PAUSE: Duration = Duration::from_millis(100);

impl Trail {
    /// Deletes events from before `before`, in unix seconds, at most `batch_size` in one transaction, and chains without rows.
    /// Chains that are not genuine stay: they are evidence. Returns how many events were deleted.
    ///
    /// # Errors
    /// The store's.
    pub async fn prune(&self, before: i64, batch_size: u32) -> Result<usize, StoreError> {
        let (mut pruned, mut left_alone) = (0, Vec::new());
        loop {
            let others = left_alone.clone();
            let oldest = move |db: &mut Connection| audit_events::chain_before(db, before, &others);
            let Some(chain) = self.store.read(oldest).await? else { break };
            match self.prune_chain(&chain, before, batch_size).await? {
                0 => left_alone.push(chain),
                count => pruned += count,
            }
        }
        self.drop_empty_chains(before).await?;
        Ok(pruned)
    }

    async fn prune_chain(&self, chain: &str, before: i64, batch_size: u32) -> Result<usize, StoreError> {
        let mut pruned = 0;
        loop {
            let (chain, keys) = (chain.to_owned(), self.keys.clone());
            let prune = move |db: &mut Connection| shorten(db, &keys, &chain, before, i64::from(batch_size));
            let count = self.store.write(prune).await?;
            pruned += count;
            if count < batch_size as usize {
                return Ok(pruned);
            }
            sleep(PAUSE).await;
        }
    }

    /// Deletes the heads of the oldest chains that have no rows any more, one after the other.
    async fn drop_empty_chains(&self, before: i64) -> Result<(), StoreError> {
        loop {
            let oldest = self.store.read(|db| audit_heads::behind(db, Some(0), 1)).await?;
            if oldest.iter().all(|head| head.first_position <= head.position) {
                return Ok(());
            }
            let keys = self.keys.clone();
            let Some(head) = self.store.write(move |db| drop_oldest(db, &keys, before)).await? else {
                return Ok(());
            };
            let pruned = Event::of(EventKind::AuditPruned).with("chain", head.chain);
            let pruned = pruned.with("number", head.number).with("position", head.position);
            self.audit.record(pruned.with("mac", head.mac)).await;
        }
    }
}

/// Deletes the oldest rows of a chain that are from before `before`. Returns how many.
fn shorten(
    db: &mut Connection,
    keys: &AuditKeys,
    chain: &str,
    before: i64,
    most: i64,
) -> Result<usize, StoreError> {
    let Some(mut head) = audit_heads::hold(db, chain)? else { return Ok(0) };
    let Some(key) = keys.find(&head.kid) else { return Ok(0) };
    let rows = audit_events::of_chain(db, chain, Some(head.first_position.saturating_sub(1)), most)?;
    let old = rows.iter().take_while(|row| row.occurred_at < before);
    if !head_is_genuine(keys, &head) {
        return Ok(0);
    }
    let first = head.first_position;
    for row in old {
        // An attacker who makes a row look old does not get it deleted.
        if row.position != head.first_position || !row_is_genuine(key, &head.first_mac, row) {
            break;
        }
        head.first_position += 1;
        row.mac.clone_into(&mut head.first_mac);
    }
    let count = usize::try_from(head.first_position - first).unwrap_or_default();
    if count == 0 {
        return Ok(0);
    }
    audit_events::delete_up_to(db, chain, head.first_position - 1)?;
    sign(key, &mut head);
    audit_heads::put(db, &head)?;
    Ok(count)
}

/// Deletes the head of the oldest chain, if it has no rows and there is another chain. Returns the head.
fn drop_oldest(db: &mut Connection, keys: &AuditKeys, before: i64) -> Result<Option<AuditHead>, StoreError> {
    let oldest = audit_heads::behind(db, Some(0), 2)?;
    let [old, next] = oldest.as_slice() else { return Ok(None) };
    // Locked in the order of their numbers everywhere, so that no two transactions wait for each other.
    let (Some(old), Some(mut next)) =
        (audit_heads::hold(db, &old.chain)?, audit_heads::hold(db, &next.chain)?)
    else {
        return Ok(None);
    };
    let empty = old.first_position > old.position && old.started_at < before;
    let genuine = [&old, &next].iter().all(|head| head_is_genuine(keys, head));
    let Some(key) = keys.find(&next.kid) else { return Ok(None) };
    if !empty || !genuine || next.number != old.number + 1 {
        return Ok(None);
    }
    audit_heads::delete(db, &old.chain)?;
    next.predecessor_pruned = true;
    sign(key, &mut next);
    audit_heads::put(db, &next)?;
    Ok(Some(old))
}
