//! The order in which requests get a hashing thread, and which are refused when too many wait. Pure: no threads, no time.
//!
//! Requests wait in a tree of networks (IPv4 /16, /24, address; IPv6 /48, /56, /64), in which a source's identifiers are the
//! last level. Turns go round robin at each level, from the top. When too many wait, the newest request of the largest network
//! is refused, again level by level. So whatever one network sends, another one gets every other turn and a place to wait.
//! Memory is bounded by the number of requests that wait or are served.

mod arrival;
mod node;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use arrival::{Arrival, Class};

use node::{Node, Turn};

/// How many known requests are served in a row while others wait: known pairs alone must not shut out all others.
const KNOWN_IN_A_ROW: u32 = 4;
/// One place in this many is not for known requests while others want it, for the same reason.
const RESERVED_ONE_IN: usize = 4;
/// Hashes at the same time for one identifier from one source, where they are limited.
const RUNNING_PER_PAIR: usize = 1;

/// How much is accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueLimits {
    /// How many may wait.
    pub(super) places: usize,
    /// How many may have their turn at the same time.
    pub(super) turns: usize,
    /// How many may wait for one identifier from one source, and then no more than one has its turn; `None`: any number.
    pub(super) waiting_per_pair: Option<usize>,
}

/// The requests that wait, each with an item that is given back with its turn.
#[derive(Debug)]
pub(super) struct Queue<T> {
    limits: QueueLimits,
    known: Node,
    other: Node,
    waiting: HashMap<u64, (Arrival, T)>,
    served: HashMap<u64, Served>,
    pairs: HashMap<u128, Pair>,
    taken_turns: usize,
    known_in_a_row: u32,
    last_ticket: u64,
    last_turn: u64,
}

/// A request whose turn has come.
#[derive(Debug, Clone, Copy)]
struct Served {
    arrival: Arrival,
    has_turn: bool,
}

/// How many requests there are for one identifier from one source.
#[derive(Debug, Default)]
struct Pair {
    waiting: usize,
    running: usize,
}

impl<T> Queue<T> {
    pub(super) fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            known: Node::default(),
            other: Node::default(),
            waiting: HashMap::new(),
            served: HashMap::new(),
            pairs: HashMap::new(),
            taken_turns: 0,
            known_in_a_row: 0,
            last_ticket: 0,
            last_turn: 0,
        }
    }

    /// Whether there may be one more for this identifier from this source.
    pub(super) fn admits(&self, arrival: &Arrival) -> bool {
        let waiting = self.pairs.get(&arrival.pair()).map_or(0, |pair| pair.waiting);
        self.limits.waiting_per_pair.is_none_or(|most| waiting < most)
    }

    /// Adds a request, and gives its ticket; `None` when too many wait for the same identifier from the same source.
    /// [`Queue::next`] then gives turns, and [`Queue::overflow`] the requests for which there is no place.
    pub(super) fn enter(&mut self, arrival: Arrival, item: T) -> Option<u64> {
        if !self.admits(&arrival) {
            return None;
        }
        self.last_ticket += 1;
        let (ticket, ready) = (self.last_ticket, !self.is_blocked(&arrival));
        self.pairs.entry(arrival.pair()).or_default().waiting += 1;
        self.waiting.insert(ticket, (arrival, item));
        let (tree, turns) = self.tree(arrival.class);
        tree.add(&arrival.path, ticket, ready, turns);
        Some(ticket)
    }

    /// Gives a turn to the next request, unless all turns are taken.
    pub(super) fn next(&mut self) -> Option<(u64, T)> {
        if self.taken_turns >= self.limits.turns {
            return None;
        }
        let ticket = match self.class_to_serve()? {
            Class::Known => self.known.next(),
            Class::Other => self.other.next(),
        }?;
        let (arrival, item) = self.remove(ticket, Turn::Taken)?;
        self.pairs.entry(arrival.pair()).or_default().running += 1;
        self.served.insert(ticket, Served { arrival, has_turn: true });
        self.taken_turns += 1;
        if self.is_blocked(&arrival) {
            self.allow(&arrival, false);
        }
        Some((ticket, item))
    }

    /// Removes a request that is one too many; `None` when there is a place for each.
    pub(super) fn overflow(&mut self) -> Option<T> {
        if self.waiting.len() <= self.limits.places {
            return None;
        }
        let for_known = self.limits.places - self.limits.places / RESERVED_ONE_IN;
        let tree = if self.known.waiting() > for_known { &self.known } else { &self.other };
        let ticket = tree.newest_of_largest()?;
        let (arrival, item) = self.remove(ticket, Turn::Kept)?;
        self.drop_idle(&arrival);
        Some(item)
    }

    /// Removes a request, if it still waits.
    pub(super) fn leave(&mut self, ticket: u64) {
        if let Some((arrival, _)) = self.remove(ticket, Turn::Kept) {
            self.drop_idle(&arrival);
        }
    }

    /// Ends a turn. Hashes beyond one count as a further turn of the same source.
    pub(super) fn finish(&mut self, ticket: u64, hashes: u32) {
        let Some(served) = self.served.get_mut(&ticket).filter(|served| served.has_turn) else { return };
        served.has_turn = false;
        let arrival = served.arrival;
        self.taken_turns -= 1;
        if hashes > 1 {
            let (tree, turns) = self.tree(arrival.class);
            tree.skip(&arrival.path, turns);
        }
    }

    /// Ends a served request: the next one for the same identifier from the same source may have its turn.
    pub(super) fn release(&mut self, ticket: u64) {
        self.finish(ticket, 1);
        let Some(Served { arrival, .. }) = self.served.remove(&ticket) else { return };
        if let Some(pair) = self.pairs.get_mut(&arrival.pair()) {
            pair.running -= 1;
        }
        if !self.is_blocked(&arrival) {
            self.allow(&arrival, true);
        }
        self.drop_idle(&arrival);
    }

    fn class_to_serve(&mut self) -> Option<Class> {
        let class = match (self.known.is_ready(), self.other.is_ready()) {
            (false, false) => return None,
            (true, true) if self.known_in_a_row < KNOWN_IN_A_ROW => Class::Known,
            (true, false) => Class::Known,
            (_, true) => Class::Other,
        };
        let passed_over = class == Class::Known && self.other.is_ready();
        self.known_in_a_row = if passed_over { self.known_in_a_row + 1 } else { 0 };
        Some(class)
    }

    fn remove(&mut self, ticket: u64, turn: Turn) -> Option<(Arrival, T)> {
        let (arrival, item) = self.waiting.remove(&ticket)?;
        if let Some(pair) = self.pairs.get_mut(&arrival.pair()) {
            pair.waiting -= 1;
        }
        let (tree, turns) = self.tree(arrival.class);
        tree.remove(&arrival.path, ticket, turn, turns);
        Some((arrival, item))
    }

    /// Whether as many run for this identifier from this source as may.
    fn is_blocked(&self, arrival: &Arrival) -> bool {
        let running = self.pairs.get(&arrival.pair()).map_or(0, |pair| pair.running);
        self.limits.waiting_per_pair.is_some() && running >= RUNNING_PER_PAIR
    }

    /// In both classes: a pair may become known while requests wait for it.
    fn allow(&mut self, arrival: &Arrival, ready: bool) {
        if self.pairs.get(&arrival.pair()).is_none_or(|pair| pair.waiting == 0) {
            return;
        }
        for class in [Class::Known, Class::Other] {
            let (tree, turns) = self.tree(class);
            tree.allow(&arrival.path, ready, turns);
        }
    }

    fn drop_idle(&mut self, arrival: &Arrival) {
        if self.pairs.get(&arrival.pair()).is_some_and(|pair| pair.waiting + pair.running == 0) {
            self.pairs.remove(&arrival.pair());
        }
    }

    fn tree(&mut self, class: Class) -> (&mut Node, &mut u64) {
        let tree = match class {
            Class::Known => &mut self.known,
            Class::Other => &mut self.other,
        };
        (tree, &mut self.last_turn)
    }
}
