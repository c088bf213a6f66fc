//! Rows that are written together, in one transaction with the head of their chain.

use serde_json::{Map, Value};

use crate::domain::audit::chain::{head_is_genuine, row_mac, sign};
use crate::domain::audit::heads;
use crate::domain::audit::heads::Stand;
use crate::domain::keyring::AuditKeys;
use crate::store::audit_events;
use crate::store::audit_events::AuditEvent;
use crate::store::audit_heads;
use crate::store::audit_heads::AuditHead;
use crate::store::engine::connection::Connection;
use crate::store::error::StoreError;

/// What became of a batch.
pub(super) enum Appended {
    /// It is in the database, and the chain stands here.
    At(Stand),
    /// The head is not as we left it. Nothing was written.
    Disturbed,
    /// The chain was deleted because its time was over. Nothing was written.
    Pruned,
}

/// Rows that are written together.
#[derive(Clone)]
pub(super) struct Batch {
    /// Where the chain stood before.
    pub(super) stand: Stand,
    pub(super) rows: Vec<AuditEvent>,
    pub(super) keys: AuditKeys,
    pub(super) closing: bool,
    /// Unix seconds.
    pub(super) now: i64,
}

impl Batch {
    /// May run twice, also at the same time, when nobody knows how the first run ended: one of them appends.
    pub(super) fn append(&self, db: &mut Connection) -> Result<Appended, StoreError> {
        let head = match audit_heads::hold(db, &self.stand.chain)? {
            None if self.stand.number == 0 => return self.open(db),
            None => return self.where_is_it(db),
            Some(head) => head,
        };
        if !head_is_genuine(&self.keys, &head) {
            return Ok(Appended::Disturbed);
        }
        if head.position == self.stand.position.saturating_add_unsigned(self.rows.len() as u64) {
            return Ok(Appended::At(Stand::of(&head))); // an earlier run has done it
        }
        if (head.position, &head.mac) != (self.stand.position, &self.stand.mac) {
            return Ok(Appended::Disturbed);
        }
        self.link(db, head, None)
    }

    fn open(&self, db: &mut Connection) -> Result<Appended, StoreError> {
        let previous = heads::newest(db, &self.keys)?.map(|head| Stand::of(&head).anchor());
        let number = heads::free_number(db, &self.keys)?;
        let mut head = AuditHead {
            chain: self.stand.chain.clone(),
            number,
            kid: String::new(),
            position: 0,
            mac: String::new(),
            first_position: 1,
            first_mac: String::new(),
            newest: number,
            front: false,
            started_at: self.now,
            closed_at: None,
            signature: String::new(),
        };
        sign(self.keys.newest(), &mut head);
        audit_heads::insert(db, &head)?;
        self.link(db, head, previous)
    }

    /// Gives each row its place and its proof, behind where the head stands.
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
        // What was said once is not taken back: the newest chain may have been deleted since.
        let newest = heads::newest(db, &self.keys)?.map_or(head.number, |newest| newest.number);
        head.newest = head.newest.max(newest);
        head.closed_at = self.closing.then_some(self.now);
        sign(&key, &mut head);
        audit_heads::put(db, &head)?;
        Ok(Appended::At(Stand::of(&head)))
    }

    /// A process that did nothing for longer than rows are kept finds its chain gone, and rightly.
    fn where_is_it(&self, db: &mut Connection) -> Result<Appended, StoreError> {
        let oldest = audit_heads::behind(db, Some(0), 1)?;
        let pruned = oldest.first().is_some_and(|head| {
            head.front && head.number > self.stand.number && head_is_genuine(&self.keys, head)
        });
        Ok(if pruned { Appended::Pruned } else { Appended::Disturbed })
    }
}
