//! Budgets of refusals.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::audit::context::AuditContext;
use crate::domain::audit::event::{Cost, Event};
use crate::domain::audit::refusals::group::{Group, group_with_room, network_of, source_of};
use crate::domain::audit::refusals::summary::{Omitted, What, summary};
use crate::domain::audit::row::row_of;
use crate::domain::rate::{Rate, RateLimit};
use crate::store::audit_events::AuditEvent;

/// A network may have this many times the budget of one source or holder in it.
const NETWORK: u32 = 4;
/// All holders together have this many times the burst of a network.
const NETWORKS: u32 = 4;

/// Which refusals get a row of their own.
#[derive(Debug, Clone, Copy)]
pub struct RefusalRules {
    /// Of one event and reason, per second in the long run, from all sources together.
    pub per_second: u32,
    /// Of those, from one source, without a credential.
    pub from_source: Rate,
    /// Of those, by the holder of one credential.
    pub of_holder: Rate,
    /// Of those, by one account or client, before they count against what it shares with others.
    pub first_of_holder: Rate,
    /// How often the rest is written as counts.
    pub interval: Duration,
}

/// Budgets, and the refusals that were left out because of them. The memory is bounded, whatever attackers send.
#[derive(Debug)]
pub(in crate::domain::audit) struct Refusals {
    free: Budget,
    first: RateLimit,
    held: Budget,
    omitted: Mutex<HashMap<What, HashMap<Group, Omitted>>>,
}

/// A refusal needs room in each of these.
#[derive(Debug)]
struct Budget {
    one: RateLimit,
    network: RateLimit,
    all: RateLimit,
}

impl Refusals {
    pub(in crate::domain::audit) fn new(rules: &RefusalRules) -> Self {
        let per_minute = rules.per_second.saturating_mul(60);
        let budget = |one: Rate, at_once: u32| Budget {
            one: RateLimit::new(one),
            network: RateLimit::new(one.times(NETWORK)),
            all: RateLimit::new(Rate { at_once, per_minute }),
        };
        Self {
            first: RateLimit::new(rules.first_of_holder),
            free: budget(rules.from_source, rules.per_second.saturating_mul(2)),
            held: budget(rules.of_holder, rules.of_holder.times(NETWORK * NETWORKS).at_once),
            omitted: Mutex::default(),
        }
    }

    /// Whether this event gets a row of its own; otherwise it is counted.
    pub(in crate::domain::audit) fn admit(&self, event: &Event, context: &AuditContext, now: i64) -> bool {
        let Some(reason) = event.reason else { return true };
        let what = (event.kind, reason);
        let source = source_of(context.address.as_deref());
        let network = source.map(network_of);
        let (budget, group) = match event.cost(reason, context) {
            Cost::Dear => return true,
            Cost::Held(holder) if self.first.check((what, &holder)).is_ok() => return true,
            // An account may have any number of sessions, so they have no budget of their own.
            Cost::Held(holder) | Cost::Session(holder) => (&self.held, Group::Holder(holder, network)),
            Cost::Free => (
                &self.free,
                source.map_or(Group::Others, |source| Group::Source(source, event.subject.clone())),
            ),
        };
        let one = match &group {
            Group::Holder(holder, _) => budget.one.check((what, holder)),
            _ => budget.one.check((what, source)), // whatever it is about
        };
        let room =
            one.is_ok() && budget.network.check((what, network)).is_ok() && budget.all.check(what).is_ok();
        if !room {
            self.omit(what, group, event, now);
        }
        room
    }

    fn omit(&self, what: What, group: Group, event: &Event, now: i64) {
        let mut omitted = self.omitted();
        let groups = omitted.entry(what).or_default();
        let group = group_with_room(group, groups);
        match groups.entry(group) {
            Entry::Occupied(mut omitted) => {
                let omitted = omitted.get_mut();
                omitted.count += 1;
                omitted.last_at = now;
            }
            Entry::Vacant(vacant) => {
                vacant.insert(Omitted { count: 1, sample: row_of(event.clone(), now), last_at: now });
            }
        }
    }

    /// Takes the refusals that were left out until now, as rows.
    pub(in crate::domain::audit) fn take(&self, now: i64) -> Vec<AuditEvent> {
        let omitted = std::mem::take(&mut *self.omitted());
        let rows = omitted.into_iter().flat_map(|(what, groups)| {
            groups.into_iter().map(move |(group, omitted)| summary(what, &group, omitted, now))
        });
        rows.collect()
    }

    // No code panics while it holds this lock.
    fn omitted(&self) -> MutexGuard<'_, HashMap<What, HashMap<Group, Omitted>>> {
        self.omitted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
