//! Checks the whole audit trail: every row, every head, and that no chain is missing. Beside running services, and in
//! memory that does not grow with the rows.

mod others;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::domain::audit::chain::head_is_genuine;
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

/// How many heads, and how many rows, are read at once.
const STEP: i64 = 1000;

/// Where a chain stood at some time: it must still be so in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    chain: String,
    position: i64,
    mac: String,
    /// The number of its chain, if that is known.
    number: Option<i64>,
}

impl FromStr for Anchor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = "an anchor is CHAIN:POSITION:MAC, as it stands in the log";
        let mut parts = text.split(':');
        let (Some(chain), Some(position), Some(mac), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(form);
        };
        let position = position.parse().map_err(|_| form)?;
        Ok(Self { chain: chain.to_owned(), position, mac: mac.to_owned(), number: None })
    }
}

/// What was looked at, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many chains there are.
    pub chains: u64,
    /// How many rows they have.
    pub rows: u64,
    /// What somebody has done to the trail.
    pub findings: Vec<Finding>,
    /// What is no sign of that, and still worth knowing.
    pub remarks: Vec<String>,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where: the chain, if it is known.
    pub chain: String,
    /// Between which positions, both included, if that can be said.
    pub positions: Option<(i64, i64)>,
    /// What.
    pub what: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain, positions, what } = self;
        match positions {
            Some((first, last)) if first == last => write!(out, "chain {chain}, position {first}: {what}"),
            Some((first, last)) => write!(out, "chain {chain}, positions {first} to {last}: {what}"),
            None => write!(out, "chain {chain}: {what}"),
        }
    }
}

/// Checks everything; `anchors` are what an operator has kept elsewhere.
///
/// # Errors
/// The store's.
pub async fn verify(store: &Store, keys: &AuditKeys, anchors: Vec<Anchor>) -> Result<Verdict, StoreError> {
    let mut check = Check { store, keys, anchors, verdict: Verdict::default(), seen: Seen::default() };
    check.types().await?;
    match check.everything().await {
        // What has the wrong type may be impossible to read.
        Err(StoreError::Query(error)) if !check.verdict.findings.is_empty() => {
            check.verdict.remarks.push(format!("the rest could not be read: {error}"));
        }
        done => done?,
    }
    Ok(check.verdict)
}

struct Check<'a> {
    store: &'a Store,
    keys: &'a AuditKeys,
    /// Those that were given.
    anchors: Vec<Anchor>,
    verdict: Verdict,
    seen: Seen,
}

/// What rows that are genuine say about other chains.
#[derive(Debug, Default)]
struct Seen {
    /// Where each chain stood when it was last told: each row proves those before it.
    told: BTreeMap<String, Anchor>,
    /// Chains that were deleted because their time was over.
    pruned: BTreeSet<String>,
    /// Chains with lower numbers were deleted as well.
    front: i64,
    /// Keys that a recovery found lost, and the number of the newest chain at that time.
    lost_keys: BTreeMap<String, i64>,
    /// Rows that say that keys were changed: chain and position.
    tampered_keys: BTreeSet<(String, i64)>,
    /// The heads of chains that nobody can check, because their key is not there.
    unproven: Vec<AuditHead>,
}

impl Check<'_> {
    async fn everything(&mut self) -> Result<(), StoreError> {
        let chains = self.chains_with_rows().await?;
        let heads = self.heads().await?;
        for head in &heads {
            self.chain(head).await?;
        }
        self.headless(&chains, &heads).await?;
        self.missing(&heads);
        self.anchors().await?;
        self.lost_keys();
        Ok(())
    }

    /// In SQLite any value may have any type: read as it should be it passes, and comparisons miss it.
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

    fn find(&mut self, chain: &str, positions: Option<(i64, i64)>, what: &'static str) {
        self.verdict.findings.push(Finding { chain: chain.to_owned(), positions, what });
    }

    /// Read before the heads: a chain is stored with its head, and deleted before it.
    async fn chains_with_rows(&self) -> Result<Vec<String>, StoreError> {
        let mut chains: Vec<String> = Vec::new();
        loop {
            let after = chains.last().cloned();
            let next = move |db: &mut Connection| audit_events::next_chain(db, after.as_deref());
            match self.store.read(next).await? {
                // A name that is no text comes again and again; names that are come before it.
                Some(chain) if chains.last() != Some(&chain) => chains.push(chain),
                _ => return Ok(chains),
            }
        }
    }

    /// In the order of their numbers: what a head says about newer chains is then said before these are read.
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

    /// One chain, up to where its head says that it stands.
    async fn chain(&mut self, listed: &AuditHead) -> Result<(), StoreError> {
        self.verdict.chains += 1;
        let Some(key) = self.keys.find(&listed.kid) else {
            self.seen.unproven.push(listed.clone());
            return Ok(());
        };
        loop {
            let chain = listed.chain.clone();
            // The last row before the head: a batch that is written meanwhile moves both.
            let last = self.store.read({
                let chain = chain.clone();
                move |db: &mut Connection| audit_events::last_position(db, &chain)
            });
            let last = last.await?;
            let Some(head) = self.head_of(&chain).await? else { return Ok(()) }; // looked up with the missing ones
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
            // Rows that were deleted meanwhile because their time was over are not missing: look again.
            let moved = |now: AuditHead| now.first_position != head.first_position;
            if !found.is_empty() && self.head_of(&chain).await?.is_none_or(moved) {
                continue;
            }
            self.verdict.rows += walk.rows();
            self.verdict.findings.extend(found);
            self.judge_head(&head);
            return Ok(());
        }
    }

    fn judge_head(&mut self, head: &AuditHead) {
        if !head_is_genuine(self.keys, head) {
            self.find(&head.chain, None, "its head was changed, or made without the key");
        } else if head.closed_at.is_none() {
            let AuditHead { chain, position, .. } = head;
            let remark =
                format!("chain {chain} has no end: its process runs, or was killed after {position}");
            self.verdict.remarks.push(remark);
        }
    }

    async fn head_of(&self, chain: &str) -> Result<Option<AuditHead>, StoreError> {
        let chain = chain.to_owned();
        self.store.read(move |db| audit_heads::find(db, &chain)).await
    }

    /// Chains that have rows and no head.
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
