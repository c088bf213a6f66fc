//! What chains claim about other chains, and whether it holds.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::domain::audit::event::EventKind;
use crate::domain::audit::mac::head_is_genuine;
use crate::domain::audit::verify::check::Check;
use crate::domain::audit::verify::checkpoint::Checkpoint;
use crate::store::audit_events;
use crate::store::audit_events::AuditEvent;
use crate::store::audit_heads::AuditHead;
use crate::store::error::StoreError;

impl Check<'_> {
    /// Collects what a genuine row claims about other chains. `number` is that of its own chain.
    pub(super) fn learn_from(&mut self, row: &AuditEvent, number: i64) {
        let kind = EventKind::named(&row.event);
        let Some(details) = row.details.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok())
        else {
            return;
        };
        let text = |name: &str| details[name].as_str();
        match kind {
            Some(EventKind::ProcessStarted) => {
                self.add_checkpoint(text("previous"), Some(number.saturating_sub(1)));
                self.add_checkpoints(&details["heads"]);
            }
            Some(EventKind::HeadsSeen) => self.add_checkpoints(&details["heads"]),
            Some(EventKind::AuditDisturbed) => self.add_checkpoint(text("stood"), None),
            Some(EventKind::AuditPruned) => self.claims.pruned.extend(text("chain").map(str::to_owned)),
            Some(EventKind::Recovered) => {
                let lost = details["lost_keys"].as_array().into_iter().flatten();
                if details["tampered_keys"].as_array().is_some_and(|keys| !keys.is_empty()) {
                    self.claims.tampered_keys.insert((row.chain.clone(), row.position));
                }
                let newest = details["newest_chain"].as_i64().unwrap_or_default();
                self.claims
                    .lost_keys
                    .extend(lost.filter_map(Value::as_str).map(|kid| (kid.to_owned(), newest)));
            }
            _ => {}
        }
    }

    fn add_checkpoints(&mut self, heads: &Value) {
        for head in heads.as_array().into_iter().flatten() {
            self.add_checkpoint(head["stood"].as_str(), head["number"].as_i64());
        }
    }

    fn add_checkpoint(&mut self, text: Option<&str>, number: Option<i64>) {
        let Some(new) = text.and_then(|text| text.parse::<Checkpoint>().ok()) else { return };
        let last = self.claims.checkpoints.entry(new.chain.clone()).or_insert_with(|| new.clone());
        let number = last.number.or(number);
        if new.position > last.position {
            *last = new;
        }
        last.number = number;
    }

    /// Finds chains that are missing, by the gaps between the numbers.
    pub(super) fn find_missing(&mut self, heads: &[AuditHead]) {
        let genuine = || heads.iter().filter(|head| head_is_genuine(self.keys, head));
        // A head whose key was lost is believed if a recovery says so.
        let unproven = |head: &AuditHead| {
            self.claims.lost_keys.get(&head.kid).is_some_and(|newest| head.number <= *newest)
        };
        let oldest = heads.iter().filter(|head| head.predecessor_pruned);
        let oldest = oldest.filter(|head| unproven(head) || head_is_genuine(self.keys, head));
        let oldest = oldest.map(|head| head.number).max().unwrap_or(1);
        let newest = genuine().map(|head| head.newest.max(head.number)).max().unwrap_or(1);
        self.claims.oldest = oldest;
        for gap in gaps(heads, oldest, newest) {
            match gap {
                (first, last) if first == last => {
                    self.find(&format!("number {first}"), None, "the whole chain is missing");
                }
                (first, last) => {
                    self.find(&format!("numbers {first} to {last}"), None, "the whole chains are missing");
                }
            }
        }
    }

    /// Checks that every checkpoint still holds.
    pub(super) async fn check_checkpoints(&mut self) -> Result<(), StoreError> {
        for checkpoint in std::mem::take(&mut self.checkpoints) {
            if self.check_checkpoint(&checkpoint).await?.is_none() {
                let Checkpoint { chain, position, .. } = checkpoint;
                let remark =
                    format!("chain {chain}, position {position}: the anchor is older than what is kept");
                self.report.remarks.push(remark);
            }
        }
        for checkpoint in std::mem::take(&mut self.claims.checkpoints).into_values() {
            self.check_checkpoint(&checkpoint).await?;
        }
        Ok(())
    }

    /// Whether a checkpoint holds; `None` when it is older than the rows that are kept.
    async fn check_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<Option<bool>, StoreError> {
        let Checkpoint { chain, position, mac, number } = checkpoint;
        let (of, before) = (chain.clone(), position.checked_sub(1));
        let rows = self.store.read(move |db| audit_events::of_chain(db, &of, before, 1)).await?;
        let found = rows.first().filter(|row| row.position == *position);
        let kept = found.map(|row| row.mac == *mac);
        let kept = match (kept, self.head_of(chain).await?) {
            (Some(kept), _) => Some(kept),
            (None, Some(head)) if *position < head.first_position => None,
            (None, None) if number.is_some_and(|number| number < self.claims.oldest) => None,
            (None, None) if self.claims.pruned.contains(chain) => None,
            (None, _) => Some(false),
        };
        if kept == Some(false) {
            self.find(chain, Some((*position, *position)), "the anchor does not hold");
        }
        Ok(kept)
    }

    /// Reports chains that cannot be checked because their key is missing. That is a finding, unless a recovery has recorded that
    /// the key was lost.
    pub(super) fn check_lost_keys(&mut self) {
        for (chain, position) in std::mem::take(&mut self.claims.tampered_keys) {
            self.find(&chain, Some((position, position)), "a recovery found keys of the trail changed");
        }
        for AuditHead { chain, number, kid, .. } in std::mem::take(&mut self.claims.unproven) {
            if self.claims.lost_keys.get(&kid).is_some_and(|newest| number <= *newest) {
                let remark = format!("chain {chain} cannot be checked: its key was lost with the master key");
                self.report.remarks.push(remark);
            } else {
                self.find(&chain, None, "its key is not there");
            }
        }
    }
}

/// Returns the gaps between `oldest` and `newest`: the first and the last number of each.
fn gaps(heads: &[AuditHead], oldest: i64, newest: i64) -> Vec<(i64, i64)> {
    let numbers: BTreeSet<i64> = heads.iter().map(|head| head.number).collect();
    let (mut gaps, mut next) = (Vec::new(), oldest);
    for number in numbers.into_iter().filter(|number| (oldest..=newest).contains(number)) {
        if number > next {
            gaps.push((next, number - 1));
        }
        next = number.saturating_add(1);
    }
    if next <= newest {
        gaps.push((next, newest));
    }
    gaps
}
