//! Refusals that can be had by the thousand: how many of them get a row each, and what is kept of the others.
//!
//! What costs the sender a hash or a session is always stored. Of the rest, those that needed a credential are counted against
//! its holder, and those that are free for anybody against their source; each for itself by event and reason, so that a flood
//! of one kind hides no other kind, and a flood from one source no other source. What finds no room is not forgotten: at the
//! end of an interval there is a row for each holder or source, with a count and a sample. That there is room for each is true
//! up to a number of them; so the first refusals of each account and client have room that no other can use up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use serde_json::json;

use crate::domain::audit::event::Cost;
use crate::domain::audit::{Event, EventKind, Origin, Reason, SERVICE, row_of};
use crate::domain::rate::{Rate, RateLimit};
use crate::store::audit_events::AuditEvent;

/// A network may have so many times what one source or holder in it may.
const NETWORK: u32 = 4;
/// All holders together have so many times what a network has at once.
const NETWORKS: u32 = 4;
/// So many holders and sources are counted each for itself within an interval, for one event and reason ...
const GROUPS: usize = 64;
/// ... and so many of one network.
const GROUPS_OF_NETWORK: usize = 8;

/// How many refusals are stored.
#[derive(Debug, Clone, Copy)]
pub struct RefusalRules {
    /// Of one event and reason, in a second in the long run, whoever causes them.
    pub per_second: u32,
    /// Of those, from one source, when they need no credential.
    pub from_source: Rate,
    /// Of those, by the holder of one credential.
    pub of_holder: Rate,
    /// Of those, by one account or client, before they count against what it shares with others.
    pub first_of_holder: Rate,
    /// How often the rest is stored as counts.
    pub interval: Duration,
}

/// What is refused, and why.
type What = (EventKind, Reason);

/// Budgets, and what was left out of the trail because of them. Its memory is bounded, whatever strangers send.
#[derive(Debug)]
pub(super) struct Refusals {
    free: Budget,
    first: RateLimit,
    held: Budget,
    omitted: Mutex<HashMap<What, HashMap<Group, Tally>>>,
}

/// Nobody has more than each of these allows.
#[derive(Debug)]
struct Budget {
    one: RateLimit,
    network: RateLimit,
    all: RateLimit,
}

/// Whose refusals are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Group {
    /// Of the user, client or session of this id.
    Holder(String, Option<IpNet>),
    /// Of a source: an IPv4 address, or the /64 of an IPv6 address; and about one user or client.
    Source(IpNet, Option<String>),
    /// Of further ones in a network.
    Network(IpNet),
    /// Of further ones anywhere.
    Others,
}

/// A count and a sample.
#[derive(Debug)]
struct Tally {
    count: u64,
    /// The first one of them, as it would have been stored.
    sample: AuditEvent,
    last_at: i64,
}

impl Refusals {
    pub(super) fn new(rules: &RefusalRules) -> Self {
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
    pub(super) fn admit(&self, event: &Event, origin: &Origin, now: i64) -> bool {
        let Some(reason) = event.reason else { return true };
        let what = (event.kind, reason);
        let source = source_of(origin.address.as_deref());
        let network = source.map(network_of);
        let (budget, group) = match event.cost(reason, origin) {
            Cost::Dear => return true,
            Cost::Held(holder) if self.first.check((what, &holder)).is_ok() => return true,
            // An account may have any number of sessions, so they have no room of their own.
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
        let group = place_for(group, groups);
        match groups.entry(group) {
            Entry::Occupied(mut tally) => {
                let tally = tally.get_mut();
                tally.count += 1;
                tally.last_at = now;
            }
            Entry::Vacant(place) => {
                place.insert(Tally { count: 1, sample: row_of(event.clone(), now), last_at: now });
            }
        }
    }

    /// Takes what was left out until now, as rows.
    pub(super) fn take(&self, now: i64) -> Vec<AuditEvent> {
        let omitted = std::mem::take(&mut *self.omitted());
        let rows = omitted.into_iter().flat_map(|((kind, reason), groups)| {
            groups.into_iter().map(move |(group, tally)| summary((kind, reason), &group, tally, now))
        });
        rows.collect()
    }

    /// A count is whole at any time.
    fn omitted(&self) -> MutexGuard<'_, HashMap<What, HashMap<Group, Tally>>> {
        self.omitted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The group itself, while there is room; then its network's, then that of all others. No network takes all the room.
fn place_for(group: Group, groups: &HashMap<Group, Tally>) -> Group {
    if groups.contains_key(&group) {
        return group;
    }
    let network = group.network();
    let of_network = || groups.keys().filter(|other| network.is_some() && other.network() == network).count();
    if groups.len() < GROUPS && of_network() < GROUPS_OF_NETWORK {
        return group;
    }
    match network.map(Group::Network) {
        Some(network) if groups.contains_key(&network) || groups.len() < GROUPS => network,
        _ => Group::Others,
    }
}

impl Group {
    fn network(&self) -> Option<IpNet> {
        match self {
            Self::Holder(_, network) => *network,
            Self::Source(source, _) => Some(network_of(*source)),
            Self::Network(_) | Self::Others => None,
        }
    }
}

/// A row for all of a group, whose `details` say what a row for each would have said.
fn summary((kind, reason): What, group: &Group, tally: Tally, now: i64) -> AuditEvent {
    let Tally { count, sample, last_at } = tally;
    let first = json!({
        "occurred_at": sample.occurred_at,
        "actor": sample.actor,
        "subject": sample.subject,
        "session": sample.session,
        "address": sample.address,
        "request_id": sample.request_id,
    });
    let mut details = json!({
        "count": count,
        "event": kind.as_str(),
        "reason": reason.as_str(),
        "since": sample.occurred_at,
        "until": last_at,
        "sample": first,
    });
    match group {
        Group::Holder(holder, _) => details["holder"] = holder.as_str().into(),
        Group::Source(source, _) => details["source"] = shown(*source).into(),
        Group::Network(network) => details["network"] = network.to_string().into(),
        Group::Others => {}
    }
    let subject = match group {
        Group::Holder(..) => sample.subject,
        Group::Source(_, subject) => subject.clone(),
        Group::Network(_) | Group::Others => None,
    };
    AuditEvent {
        occurred_at: now,
        event: EventKind::RefusalsOmitted.as_str().to_owned(),
        outcome: crate::domain::audit::SUCCESS.to_owned(),
        actor: Some(SERVICE.to_owned()),
        subject,
        details: Some(details.to_string()),
        ..AuditEvent::default()
    }
}

/// One customer's: an IPv4 address, or the /64 of an IPv6 address.
fn source_of(address: Option<&str>) -> Option<IpNet> {
    let address: IpAddr = address?.parse().ok()?;
    let address = address.to_canonical();
    Some(cut(IpNet::from(address), if address.is_ipv4() { 32 } else { 64 }))
}

/// What one customer may have the whole of.
fn network_of(source: IpNet) -> IpNet {
    cut(source, if source.addr().is_ipv4() { 16 } else { 48 })
}

fn cut(network: IpNet, bits: u8) -> IpNet {
    IpNet::new(network.addr(), bits).map_or(network, |network| network.trunc())
}

fn shown(source: IpNet) -> String {
    if source.prefix_len() == source.max_prefix_len() {
        source.addr().to_string()
    } else {
        source.to_string()
    }
}

#[cfg(test)]
mod tests;
