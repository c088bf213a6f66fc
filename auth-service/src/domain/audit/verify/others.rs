//! What chains say about others, and whether it is so.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::domain::audit::EventKind;
use crate::domain::audit::chain::head_is_genuine;
use crate::domain::audit::verify::{Anchor, Check};
use crate::store::audit_events;
use crate::store::audit_events::AuditEvent;
use crate::store::audit_heads::AuditHead;
use crate::store::error::StoreError;

impl Check<'_> {
    /// A genuine row may say something about other chains. `number` is that of its own.
    pub(super) fn learn_from(&mut self, row: &AuditEvent, number: i64) {
        let kind = EventKind::named(&row.event);
        let Some(details) = row.details.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok())
        else {
            return;
        };
        let text = |name: &str| details[name].as_str();
        match kind {
            Some(EventKind::ProcessStarted) => {
                self.told(text("previous"), Some(number.saturating_sub(1)));
                self.told_of_all(&details["heads"]);
            }
            Some(EventKind::HeadsSeen) => self.told_of_all(&details["heads"]),
            Some(EventKind::AuditDisturbed) => self.told(text("stood"), None),
            Some(EventKind::AuditPruned) => self.seen.pruned.extend(text("chain").map(str::to_owned)),
            Some(EventKind::Recovered) => {
                let lost = details["lost_keys"].as_array().into_iter().flatten();
                if details["tampered_keys"].as_array().is_some_and(|keys| !keys.is_empty()) {
                    self.seen.tampered_keys.insert((row.chain.clone(), row.position));
                }
                let newest = details["newest_chain"].as_i64().unwrap_or_default();
                self.seen
                    .lost_keys
                    .extend(lost.filter_map(Value::as_str).map(|kid| (kid.to_owned(), newest)));
            }
            _ => {}
        }
    }

    fn told_of_all(&mut self, heads: &Value) {
        for head in heads.as_array().into_iter().flatten() {
            self.told(head["stood"].as_str(), head["number"].as_i64());
        }
    }

    fn told(&mut self, anchor: Option<&str>, number: Option<i64>) {
        let Some(anchor) = anchor.and_then(|text| text.parse::<Anchor>().ok()) else { return };
        let told = self.seen.told.entry(anchor.chain.clone()).or_insert_with(|| anchor.clone());
        let number = told.number.or(number);
        if anchor.position > told.position {
            *told = anchor;
        }
        told.number = number;
    }

    /// Chains that are not there any more, by the gaps in their numbers and by what others have seen.
    pub(super) fn missing(&mut self, heads: &[AuditHead]) {
        let genuine = || heads.iter().filter(|head| head_is_genuine(self.keys, head));
        // What nobody can prove any more is believed as far as a recovery says so.
        let unproven = |head: &AuditHead| {
            self.seen.lost_keys.get(&head.kid).is_some_and(|newest| head.number <= *newest)
        };
        let fronts = heads.iter().filter(|head| head.front);
        let fronts = fronts.filter(|head| unproven(head) || head_is_genuine(self.keys, head));
        let front = fronts.map(|head| head.number).max().unwrap_or(1);
        let newest = genuine().map(|head| head.newest.max(head.number)).max().unwrap_or(1);
        self.seen.front = front;
        for gap in gaps(heads, front, newest) {
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

    /// What was so once must be so now.
    pub(super) async fn anchors(&mut self) -> Result<(), StoreError> {
        for anchor in std::mem::take(&mut self.anchors) {
            if self.anchor(&anchor).await?.is_none() {
                let Anchor { chain, position, .. } = anchor;
                let remark =
                    format!("chain {chain}, position {position}: the anchor is older than what is kept");
                self.verdict.remarks.push(remark);
            }
        }
        for anchor in std::mem::take(&mut self.seen.told).into_values() {
            self.anchor(&anchor).await?;
        }
        Ok(())
    }

    /// Whether an anchor holds; `None` when it is older than what is kept.
    async fn anchor(&mut self, anchor: &Anchor) -> Result<Option<bool>, StoreError> {
        let Anchor { chain, position, mac, number } = anchor;
        let (of, before) = (chain.clone(), position.checked_sub(1));
        let rows = self.store.read(move |db| audit_events::of_chain(db, &of, before, 1)).await?;
        let there = rows.first().filter(|row| row.position == *position);
        let kept = there.map(|row| row.mac == *mac);
        let kept = match (kept, self.head_of(chain).await?) {
            (Some(kept), _) => Some(kept),
            (None, Some(head)) if *position < head.first_position => None,
            (None, None) if number.is_some_and(|number| number < self.seen.front) => None,
            (None, None) if self.seen.pruned.contains(chain) => None,
            (None, _) => Some(false),
        };
        if kept == Some(false) {
            self.find(chain, Some((*position, *position)), "the anchor does not hold");
        }
        Ok(kept)
    }

    /// Without its key nothing can be said about a chain. That is a finding, unless a recovery says why the key is gone.
    pub(super) fn lost_keys(&mut self) {
        for (chain, position) in std::mem::take(&mut self.seen.tampered_keys) {
            self.find(&chain, Some((position, position)), "a recovery found keys of the trail changed");
        }
        for AuditHead { chain, number, kid, .. } in std::mem::take(&mut self.seen.unproven) {
            if self.seen.lost_keys.get(&kid).is_some_and(|newest| number <= *newest) {
                let remark = format!("chain {chain} cannot be checked: its key was lost with the master key");
                self.verdict.remarks.push(remark);
            } else {
                self.find(&chain, None, "its key is not there");
            }
        }
    }
}

/// The numbers from `front` to `newest` that no head has: the first and the last of each gap.
fn gaps(heads: &[AuditHead], front: i64, newest: i64) -> Vec<(i64, i64)> {
    let there: BTreeSet<i64> = heads.iter().map(|head| head.number).collect();
    let (mut gaps, mut next) = (Vec::new(), front);
    for number in there.into_iter().filter(|number| (front..=newest).contains(number)) {
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
