//! One network in the tree of waiting requests. Each operation costs the depth of the tree times the
//! logarithm of the number of neighbours, however many there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A network, a source, or one identifier from one source, which has no children and holds the tickets.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// How many tickets wait here and below.
    waiting: usize,
    /// How many of them may be served now.
    ready: usize,
    /// The ticket that came last, even if it does not wait any more.
    newest: u64,
    /// The place among the siblings that are ready.
    turn: u64,
    /// The tickets of a leaf, the oldest first.
    tickets: BTreeSet<u64>,
    children: HashMap<u128, Self>,
    /// Children that are ready, by their turn: the first one is served next.
    ring: BTreeMap<u64, u128>,
    /// Children by how many tickets wait there, then by the ticket that came last.
    sizes: BTreeSet<(usize, u64, u128)>,
}

/// Where a node goes in its ring after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Kept,
    /// Behind all siblings that are ready now: it was served.
    Taken,
}

impl Node {
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready > 0
    }

    /// The ticket to serve next: round robin at each level, the oldest in the end.
    pub(super) fn next(&self) -> Option<u64> {
        match self.ring.first_key_value() {
            Some((_, key)) => self.children.get(key)?.next(),
            None => self.tickets.first().copied(),
        }
    }

    /// The newest ticket of the largest network: the largest child at each level and, of several, the one to which the last
    /// ticket came.
    pub(super) fn newest_of_largest(&self) -> Option<u64> {
        match self.sizes.last() {
            Some((_, _, key)) => self.children.get(key)?.newest_of_largest(),
            None => self.tickets.last().copied(),
        }
    }

    /// Puts a ticket at the end of the leaf at `path`.
    pub(super) fn add(&mut self, path: &[u128], ticket: u64, ready: bool, turns: &mut u64) {
        self.at(path, Turn::Kept, turns, &mut |leaf| {
            leaf.tickets.insert(ticket);
            leaf.newest = ticket;
            leaf.set_ready(ready);
        });
    }

    /// Takes a ticket out of the leaf at `path`.
    pub(super) fn remove(&mut self, path: &[u128], ticket: u64, turn: Turn, turns: &mut u64) {
        self.at(path, turn, turns, &mut |leaf| {
            leaf.tickets.remove(&ticket);
            leaf.set_ready(leaf.ready > 0);
        });
    }

    /// Lets the tickets of the leaf at `path` be served, or not for now.
    pub(super) fn allow(&mut self, path: &[u128], ready: bool, turns: &mut u64) {
        self.at(path, Turn::Kept, turns, &mut |leaf| leaf.set_ready(ready));
    }

    /// Lets every network on `path` take a turn, as if it had been served.
    pub(super) fn skip(&mut self, path: &[u128], turns: &mut u64) {
        self.at(path, Turn::Taken, turns, &mut |_| {});
    }

    /// All tickets of a leaf may be served, or none.
    fn set_ready(&mut self, ready: bool) {
        self.waiting = self.tickets.len();
        self.ready = if ready { self.waiting } else { 0 };
    }

    /// Changes the leaf at `path`, and brings up to date what its ancestors know of it. Nodes are made on the way, and go
    /// when nothing waits there.
    fn at(&mut self, path: &[u128], turn: Turn, turns: &mut u64, change: &mut dyn FnMut(&mut Self)) {
        let Some((key, rest)) = path.split_first() else { return change(self) };
        let child = self.children.entry(*key).or_default();
        let (waiting, ready) = (child.waiting, child.ready);
        if ready > 0 {
            self.ring.remove(&child.turn);
        }
        if waiting > 0 {
            self.sizes.remove(&(waiting, child.newest, *key));
        }
        child.at(rest, turn, turns, change);
        // A network that returns goes behind all others, so leaving and returning gains nothing.
        if turn == Turn::Taken || ready == 0 {
            *turns += 1;
            child.turn = *turns;
        }
        self.waiting = self.waiting - waiting + child.waiting;
        self.ready = self.ready - ready + child.ready;
        self.newest = self.newest.max(child.newest);
        if child.ready > 0 {
            self.ring.insert(child.turn, *key);
        }
        if child.waiting > 0 {
            self.sizes.insert((child.waiting, child.newest, *key));
        } else {
            self.children.remove(key);
        }
    }

    /// How many nodes there are here and below.
    #[cfg(test)]
    pub(super) fn nodes(&self) -> usize {
        1 + self.children.values().map(Self::nodes).sum::<usize>()
    }
}
