//! The order of the checks.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::audit::mac::head_is_genuine;
use crate::domain::audit::verify::checkpoint::Checkpoint;
use crate::domain::audit::verify::report::{Finding, Report};
use crate::domain::audit::verify::walk::Walk;
use crate::domain::keyring::AuditKeys;
use crate::store::audit_events;
use crate::store::audit_heads;
use crate::store::audit_heads::AuditHead;
use crate::store::audit_types;
use crate::store::audit_types::Table;
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;

/// The number of heads, and of rows, that are read at once.
const STEP: i64 = 1000;

/// Verifies the trail. `checkpoints` are those that an operator has kept elsewhere.
///
/// # Errors
/// The store's.
pub async fn verify(
    store: &Store,
    keys: &AuditKeys,
    checkpoints: Vec<Checkpoint>,
) -> Result<Report, StoreError> {
    let mut check = Check { store, keys, checkpoints, report: Report::default(), claims: Claims::default() };
    check.types().await?;
    match check.everything().await {
        // A value of a wrong type may be impossible to read.
        Err(StoreError::Query(error)) if !check.report.findings.is_empty() => {
            check.report.remarks.push(format!("the rest could not be read: {error}"));
        }
        done => done?,
    }
    Ok(check.report)
}

/// A verification that is under way.
pub(super) struct Check<'a> {
    pub(super) store: &'a Store,
    pub(super) keys: &'a AuditKeys,
    /// The checkpoints of the operator.
    pub(super) checkpoints: Vec<Checkpoint>,
    pub(super) report: Report,
    pub(super) claims: Claims,
}

/// What genuine rows claim about other chains.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// The last checkpoint of each chain. It proves the rows before it.
    pub(super) checkpoints: BTreeMap<String, Checkpoint>,
    /// Chains that were deleted because all their rows were old.
    pub(super) pruned: BTreeSet<String>,
    /// The number of the oldest chain that was not deleted for its age.
    pub(super) oldest: i64,
    /// Keys that a recovery found lost, and the number of the newest chain at that time.
    pub(super) lost_keys: BTreeMap<String, i64>,
    /// Rows of recoveries that found keys changed: chain and position.
    pub(super) tampered_keys: BTreeSet<(String, i64)>,
    /// The heads of chains that cannot be checked, because their key is missing.
    pub(super) unproven: Vec<AuditHead>,
}

impl Check<'_> {
    async fn everything(&mut self) -> Result<(), StoreError> {
        let chains = self.chains_with_rows().await?;
        let heads = self.heads().await?;
        for head in &heads {
            self.chain(head).await?;
        }
        self.headless(&chains, &heads).await?;
        self.find_missing(&heads);
        self.check_checkpoints().await?;
        self.check_lost_keys();
        Ok(())
    }

    /// Checks the types of values. In SQLite a column may hold any type: such a value passes when it is read, and comparisons
    /// miss it.
    async fn types(&mut self) -> Result<(), StoreError> {
        for (table, what) in [
            (Table::Events, "a row has values of wrong types"),
            (Table::Heads, "its head has values of wrong types"),
        ] {
            let mut after = None;
            while let Some(part) =
                self.store.read(move |db| audit_types::check(db, table, after, STEP)).await?
            {
                for (chain, position) in part.wrong {
                    self.find(&chain, Some((position, position)), what);
                }
                after = Some(part.last);
            }
        }
        Ok(())
    }

    pub(super) fn find(&mut self, chain: &str, positions: Option<(i64, i64)>, what: &'static str) {
        self.report.findings.push(Finding { chain: chain.to_owned(), positions, what });
    }

    /// Reads the names of all chains with rows. This comes before the heads: a chain is stored with its head, and deleted before
    /// it.
    async fn chains_with_rows(&self) -> Result<Vec<String>, StoreError> {
        let mut chains: Vec<String> = Vec::new();
        loop {
            let after = chains.last().cloned();
            let next = move |db: &mut Connection| audit_events::next_chain(db, after.as_deref());
            match self.store.read(next).await? {
                // A name that is not a text is returned again and again. All texts come before it.
                Some(chain) if chains.last() != Some(&chain) => chains.push(chain),
                _ => return Ok(chains),
            }
        }
    }

    /// Reads the heads in the order of their numbers: what a chain claims about newer ones is then known before they are read.
    async fn heads(&self) -> Result<Vec<AuditHead>, StoreError> {
        let mut heads: Vec<AuditHead> = Vec::new();
        loop {
            let after = heads.last().map(|head| head.number);
            let more = self.store.read(move |db| audit_heads::behind(db, after, STEP)).await?;
            if more.last().map(|head| head.number) <= after {
                return Ok(heads);
            }
            heads.extend(more);
        }
    }

    /// Checks one chain, up to the position of its head.
    async fn chain(&mut self, listed: &AuditHead) -> Result<(), StoreError> {
        self.report.chains += 1;
        let Some(key) = self.keys.find(&listed.kid) else {
            self.claims.unproven.push(listed.clone());
            return Ok(());
        };
        loop {
            let chain = listed.chain.clone();
            // The last position is read before the head: a batch that is written meanwhile moves both.
            let last = self.store.read({
                let chain = chain.clone();
                move |db: &mut Connection| audit_events::last_position(db, &chain)
            });
            let last = last.await?;
            let Some(head) = self.head_of(&chain).await? else { return Ok(()) }; // found by its missing number
            let mut walk = Walk::new(key, &head);
            let mut after = None;
            loop {
                let (of, from) = (chain.clone(), after);
                let rows = self.store.read(move |db| audit_events::of_chain(db, &of, from, STEP)).await?;
                let last = rows.last().map(|row| row.position).filter(|last| Some(*last) > after);
                let Some(end) = last else { break };
                for row in &rows {
                    if walk.step(row) {
                        self.learn_from(row, head.number);
                    }
                }
                after = Some(end);
                if end >= head.position {
                    break;
                }
            }
            let found = walk.end(last);
            // Rows that were pruned meanwhile are not missing: check the chain again.
            let was_pruned = |now: AuditHead| now.first_position != head.first_position;
            if !found.is_empty() && self.head_of(&chain).await?.is_none_or(was_pruned) {
                continue;
            }
            self.report.rows += walk.rows();
            self.report.findings.extend(found);
            self.check_head(&head);
            return Ok(());
        }
    }

    fn check_head(&mut self, head: &AuditHead) {
        if !head_is_genuine(self.keys, head) {
            self.find(&head.chain, None, "its head was changed, or made without the key");
        } else if head.closed_at.is_none() {
            let AuditHead { chain, position, .. } = head;
            let remark =
                format!("chain {chain} has no end: its process runs, or was killed after {position}");
            self.report.remarks.push(remark);
        }
    }

    pub(super) async fn head_of(&self, chain: &str) -> Result<Option<AuditHead>, StoreError> {
        let chain = chain.to_owned();
        self.store.read(move |db| audit_heads::find(db, &chain)).await
    }

    /// Finds chains that have rows and no head.
    async fn headless(&mut self, chains: &[String], heads: &[AuditHead]) -> Result<(), StoreError> {
        let known: BTreeSet<&String> = heads.iter().map(|head| &head.chain).collect();
        for chain in chains.iter().filter(|chain| !known.contains(chain)) {
            let of = chain.clone();
            let last = self.store.read(move |db| audit_events::last_position(db, &of)).await?;
            if last.is_some() {
                self.find(chain, None, "its head is missing");
            }
        }
        Ok(())
    }
}
