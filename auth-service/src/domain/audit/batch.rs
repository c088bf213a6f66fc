//! A batch: rows that are written in one transaction with the head of their chain.

use serde_json::{Map, Value};

use crate::domain::audit::heads;
use crate::domain::audit::heads::ChainHead;
use crate::domain::audit::mac::{head_is_genuine, row_mac, sign};
use crate::domain::keyring::AuditKeys;
use crate::store::audit_events;
use crate::store::audit_events::AuditEvent;
use crate::store::audit_heads;
use crate::store::audit_heads::AuditHead;
use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;

/// The outcome of appending a batch.
pub(super) enum Appended {
    /// It is stored, and this is the head of the chain now.
    At(ChainHead),
    /// The stored head is not the one that this process left. Nothing was written.
    Disturbed,
    /// The chain was deleted because all its rows were old. Nothing was written.
    Pruned,
}

/// Rows that are written in one transaction.
#[derive(Clone)]
pub(super) struct Batch {
    /// The head of the chain before.
    pub(super) head: ChainHead,
    pub(super) rows: Vec<AuditEvent>,
    pub(super) keys: AuditKeys,
    /// Whether the chain ends with this batch.
    pub(super) closing: bool,
    /// Unix seconds.
    pub(super) now: i64,
}

impl Batch {
    /// Appends the rows. It may run again, also concurrently, when the outcome of the first run is unknown: one run appends.
    pub(super) fn append(&self, db: &mut Connection) -> Result<Appended, StoreError> {
        let head = match audit_heads::hold(db, &self.head.chain)? {
            None if self.head.number == 0 => return self.open(db),
            None => return self.find_out_why_missing(db),
            Some(head) => head,
        };
        if !head_is_genuine(&self.keys, &head) {
            return Ok(Appended::Disturbed);
        }
        if head.position == self.head.position.saturating_add_unsigned(self.rows.len() as u64) {
            return Ok(Appended::At(ChainHead::of(&head))); // an earlier run has done it
        }
        if (head.position, &head.mac) != (self.head.position, &self.head.mac) {
            return Ok(Appended::Disturbed);
        }
        self.link(db, head, None)
    }

    /// Stores the head of a new chain, then the rows. Its first row has a checkpoint of the chain before.
    fn open(&self, db: &mut Connection) -> Result<Appended, StoreError> {
        let previous = heads::newest(db, &self.keys)?.map(|head| ChainHead::of(&head).checkpoint());
        let number = heads::free_number(db, &self.keys)?;
        let mut head = AuditHead {
            chain: self.head.chain.clone(),
            number,
            kid: String::new(),
            position: 0,
            mac: String::new(),
            first_position: 1,
            first_mac: String::new(),
            newest: number,
            predecessor_pruned: false,
            started_at: self.now,
            closed_at: None,
            signature: String::new(),
        };
        sign(self.keys.newest(), &mut head);
        audit_heads::insert(db, &head)?;
        self.link(db, head, previous)
    }

    /// Gives each row its position and its MAC, and stores the rows and the head.
    fn link(
        &self,
        db: &mut Connection,
        mut head: AuditHead,
        previous: Option<String>,
    ) -> Result<Appended, StoreError> {
        // A chain keeps the key that it began with.
        let Some(key) = self.keys.find(&head.kid).cloned() else { return Ok(Appended::Disturbed) };
        let mut rows = self.rows.clone();
        if let (Some(first), Some(previous)) = (rows.first_mut(), previous) {
            let details = first.details.as_deref().and_then(|text| serde_json::from_str(text).ok());
            let mut details: Map<String, Value> = details.unwrap_or_default();
            details.insert("previous".to_owned(), previous.into());
            first.details = Some(Value::Object(details).to_string());
        }
        for row in &mut rows {
            head.position += 1;
            head.chain.clone_into(&mut row.chain);
            row.position = head.position;
            row.mac = row_mac(&key, &head.mac, row);
            row.mac.clone_into(&mut head.mac);
        }
        audit_events::insert(db, &rows)?;
        // This never goes down, also when the newest chain was deleted since.
        let newest = heads::newest(db, &self.keys)?.map_or(head.number, |newest| newest.number);
        head.newest = head.newest.max(newest);
        head.closed_at = self.closing.then_some(self.now);
        sign(&key, &mut head);
        audit_heads::put(db, &head)?;
        Ok(Appended::At(ChainHead::of(&head)))
    }

    /// Tells a chain that was rightly deleted from one that an attacker deleted. The former happens to a process that recorded
    /// nothing for longer than rows are kept.
    fn find_out_why_missing(&self, db: &mut Connection) -> Result<Appended, StoreError> {
        let oldest = audit_heads::behind(db, Some(0), 1)?;
        let pruned = oldest.first().is_some_and(|head| {
            head.predecessor_pruned && head.number > self.head.number && head_is_genuine(&self.keys, head)
        });
        Ok(if pruned { Appended::Pruned } else { Appended::Disturbed })
    }
}
