//! Deletes rows whose time is over, the oldest first, and leaves the rest provable: the head of a chain says, signed, where
//! it begins now. Whoever deletes rows without the key cannot say that.

use std::time::Duration;

use tokio::time::sleep;

use crate::domain::audit::chain::{head_is_genuine, row_is_genuine, sign};
use crate::domain::audit::{Event, EventKind};
use crate::domain::issuer::Issuer;
use crate::domain::keyring::AuditKeys;
use crate::store::audit_events;
use crate::store::audit_heads;
use crate::store::audit_heads::AuditHead;
use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;

/// Between two steps requests get their turn.
const PAUSE: Duration = Duration::from_millis(100);

impl Issuer {
    /// Deletes events from before the time `before`, in unix seconds, at most `step` in one transaction, and chains of which
    /// nothing is left. Chains that are not as they should be are left alone: they are evidence. Says how many events were
    /// deleted.
    ///
    /// # Errors
    /// The store's.
    pub async fn prune_audit(&self, before: i64, step: u32) -> Result<usize, StoreError> {
        let (mut pruned, mut left_alone) = (0, Vec::new());
        loop {
            let others = left_alone.clone();
            let oldest = move |db: &mut Connection| audit_events::chain_before(db, before, &others);
            let Some(chain) = self.store.read(oldest).await? else { break };
            match self.prune_chain(&chain, before, step).await? {
                0 => left_alone.push(chain),
                count => pruned += count,
            }
        }
        self.drop_empty_chains(before).await?;
        Ok(pruned)
    }

    async fn prune_chain(&self, chain: &str, before: i64, step: u32) -> Result<usize, StoreError> {
        let mut pruned = 0;
        loop {
            let (chain, keys) = (chain.to_owned(), self.keyring.audit_keys());
            let prune = move |db: &mut Connection| shorten(db, &keys, &chain, before, i64::from(step));
            let count = self.store.write(prune).await?;
            pruned += count;
            if count < step as usize {
                return Ok(pruned);
            }
            sleep(PAUSE).await;
        }
    }

    /// The oldest chains go as a whole, one after the other, when nothing is left of them.
    async fn drop_empty_chains(&self, before: i64) -> Result<(), StoreError> {
        loop {
            let oldest = self.store.read(|db| audit_heads::behind(db, Some(0), 1)).await?;
            if oldest.iter().all(|head| head.first_position <= head.position) {
                return Ok(());
            }
            let keys = self.keyring.audit_keys();
            let Some(head) = self.store.write(move |db| drop_oldest(db, &keys, before)).await? else {
                return Ok(());
            };
            let pruned = Event::of(EventKind::AuditPruned).with("chain", head.chain);
            let pruned = pruned.with("number", head.number).with("position", head.position);
            self.record(pruned.with("mac", head.mac)).await;
        }
    }
}

/// Deletes the oldest rows of a chain as long as they are from before `before`; says how many.
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
        // Whoever makes a row look old does not get it deleted.
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

/// Deletes the head of the oldest chain, if nothing is left of it and there is another one; gives what it was.
fn drop_oldest(db: &mut Connection, keys: &AuditKeys, before: i64) -> Result<Option<AuditHead>, StoreError> {
    let oldest = audit_heads::behind(db, Some(0), 2)?;
    let [old, next] = oldest.as_slice() else { return Ok(None) };
    // Held in the order of their numbers by everybody, so that nobody waits in a circle.
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
    next.front = true;
    sign(key, &mut next);
    audit_heads::put(db, &next)?;
    Ok(Some(old))
}
