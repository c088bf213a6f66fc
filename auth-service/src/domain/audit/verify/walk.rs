//! A walk along the rows of one chain.

use crate::domain::audit::mac::{row_is_genuine, row_mac};
use crate::domain::audit::verify::report::Finding;
use crate::domain::keyring::AuditKey;
use crate::store::audit_events::AuditEvent;
use crate::store::audit_heads::AuditHead;

const CHANGED: &str = "changed, moved, or made without the key";
const MISSING: &str = "missing";
const LEFT_OVER: &str = "stands before the beginning of the chain";
const BEYOND: &str = "stands behind the end of the chain: its head was set back, or the row was put in";
const END: &str = "the chain ends otherwise than its head says";

/// The state of a walk: its position, and what it found.
pub(super) struct Walk<'a> {
    key: &'a AuditKey,
    head: &'a AuditHead,
    /// The position that is expected next.
    next: i64,
    /// The MAC of the row before it, as it is stored; `None` after a gap.
    previous: Option<String>,
    /// The MAC that the row before it should have, if that is another one.
    corrected: Option<String>,
    rows: u64,
    findings: Vec<Finding>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(key: &'a AuditKey, head: &'a AuditHead) -> Self {
        let (next, previous) = (head.first_position, Some(head.first_mac.clone()));
        Self { key, head, next, previous, corrected: None, rows: 0, findings: Vec::new() }
    }

    /// The number of rows of the chain.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Checks the next row. Returns whether it is proven to be genuine.
    pub(super) fn step(&mut self, row: &AuditEvent) -> bool {
        if row.position > self.head.position {
            return false; // written after the head was read; `end` says if it was not
        }
        self.rows += 1;
        if row.position < self.next {
            self.find(row.position, row.position, LEFT_OVER);
            return false;
        }
        if row.position > self.next {
            self.find(self.next, row.position - 1, MISSING);
            (self.previous, self.corrected) = (None, None);
        }
        let proven = self.previous.is_some();
        let genuine = self.fits(row);
        if !genuine {
            self.find(row.position, row.position, CHANGED);
        }
        // The row after one that was changed follows the MAC that is stored or the MAC that should be.
        let expected = self.previous.as_ref().filter(|_| !genuine);
        self.corrected = expected.map(|previous| row_mac(self.key, previous, row));
        self.next = row.position.saturating_add(1);
        self.previous = Some(row.mac.clone());
        genuine && proven
    }

    /// Whether the row follows the one before it. After a gap that cannot be checked; the rows that follow show whether this one
    /// is genuine.
    fn fits(&self, row: &AuditEvent) -> bool {
        let Some(previous) = &self.previous else { return true };
        let corrected = self.corrected.as_ref().into_iter();
        corrected.chain([previous]).any(|previous| row_is_genuine(self.key, previous, row))
    }

    /// Returns what was found. `last` is the last position that the chain had before its head was read.
    pub(super) fn end(&mut self, last: Option<i64>) -> Vec<Finding> {
        let end = self.head.position;
        if self.next <= end {
            self.find(self.next, end, MISSING);
        } else if self.previous.as_ref().is_some_and(|mac| *mac != self.head.mac)
            && self.corrected.as_ref() != Some(&self.head.mac)
        {
            self.find(end, end, END);
        }
        if let Some(last) = last.filter(|last| *last > end) {
            self.find(end.saturating_add(1), last, BEYOND);
        }
        std::mem::take(&mut self.findings)
    }

    /// Adds a finding. Neighbouring positions with the same fault are one finding.
    fn find(&mut self, first: i64, last: i64, what: &'static str) {
        if let Some(Finding { positions: Some((_, end)), what: before, .. }) = self.findings.last_mut()
            && (*before, end.saturating_add(1)) == (what, first)
        {
            *end = last;
            return;
        }
        let (chain, positions) = (self.head.chain.clone(), Some((first, last)));
        self.findings.push(Finding { chain, positions, what });
    }
}
