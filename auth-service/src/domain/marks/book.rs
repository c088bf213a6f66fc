//! What is remembered of each database, and what one lacks that was set back.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::marks::standing::Standing;

/// More databases than this are not remembered; one is added with each recovery.
const MOST_DATABASES: usize = 32;
/// More chains of the audit trail than this are not remembered; one is added by each process.
const MOST_CHAINS: usize = 32;
/// More status lists than this are not remembered, the newest ones are: enough for 100 million sessions.
const MOST_LISTS: usize = 1024;

/// How far each database had come, by its random name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Book {
    databases: BTreeMap<String, Progress>,
}

/// How far a database had come. Everything in it only rises.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    epoch: i64,
    keys_revision: i64,
    /// The revision of each list, by its id.
    #[serde(default)]
    lists: BTreeMap<i64, i64>,
    /// Chains of the audit trail that processes with this data folder wrote, by their ids.
    #[serde(default)]
    audit: BTreeMap<String, Head>,
    /// Once found behind, or recovered under another name, it stays behind, whatever is written to it since.
    #[serde(default)]
    set_back: bool,
    /// When the file was last written for it, in unix seconds.
    #[serde(default)]
    saved_at: i64,
}

/// Where a chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Head {
    number: i64,
    position: i64,
}

impl Book {
    /// What a database lacks of what is remembered of it, in a few words.
    pub(super) fn lacks(&self, id: &str, found: &Progress, newest_chain: i64) -> Option<String> {
        self.databases.get(id)?.lacked_by(found, newest_chain)
    }

    /// Remembers more of a database; says whether it is more.
    pub(super) fn raise(&mut self, id: &str, found: Progress) -> bool {
        let known = self.databases.entry(id.to_owned()).or_default();
        let before = known.clone();
        known.merge(found);
        *known != before
    }

    /// Remembers that a database was set back, or that only copies have this name still; says whether that is new.
    pub(super) fn set_back(&mut self, id: &str) -> bool {
        let known = self.databases.entry(id.to_owned()).or_default();
        !std::mem::replace(&mut known.set_back, true)
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (id, progress) in other.databases {
            self.databases.entry(id).or_default().merge(progress);
        }
    }

    /// Notes when the book was saved, and forgets the databases that were not for longest.
    pub(super) fn date(&mut self, changed: &Self, now: i64) {
        for id in changed.databases.keys() {
            if let Some(progress) = self.databases.get_mut(id) {
                progress.saved_at = progress.saved_at.max(now);
            }
        }
        while self.databases.len() > MOST_DATABASES {
            let oldest = self.databases.iter().min_by_key(|(_, progress)| progress.saved_at);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else { return };
            self.databases.remove(&oldest);
        }
    }

    pub(super) fn chains(&self) -> Vec<String> {
        let all: BTreeSet<&String> =
            self.databases.values().flat_map(|progress| progress.audit.keys()).collect();
        all.into_iter().cloned().collect()
    }

    pub(super) fn highest_epoch(&self) -> i64 {
        self.databases.values().map(|progress| progress.epoch).max().unwrap_or(0)
    }

    /// Leaves out databases that are the same in `other`.
    pub(super) fn beyond(&self, other: &Self) -> Self {
        let changed =
            self.databases.iter().filter(|(id, progress)| other.databases.get(*id) != Some(*progress));
        Self { databases: changed.map(|(id, progress)| (id.clone(), progress.clone())).collect() }
    }
}

impl Progress {
    pub(super) fn of(standing: &Standing) -> Self {
        let heads = standing.heads.iter();
        Self {
            epoch: standing.issuance.epoch,
            keys_revision: standing.issuance.keys_revision,
            lists: standing.lists.iter().copied().collect(),
            audit: heads
                .map(|(chain, number, position)| {
                    (chain.clone(), Head { number: *number, position: *position })
                })
                .collect(),
            set_back: false,
            saved_at: 0,
        }
    }

    fn merge(&mut self, other: Self) {
        self.epoch = self.epoch.max(other.epoch);
        self.keys_revision = self.keys_revision.max(other.keys_revision);
        for (list, revision) in other.lists {
            let known = self.lists.entry(list).or_insert(revision);
            *known = revision.max(*known);
        }
        // Lists that are dropped stay until then: what is left out here would come back with each merge.
        while self.lists.len() > MOST_LISTS {
            self.lists.pop_first();
        }
        for (chain, head) in other.audit {
            let known = self.audit.entry(chain).or_insert(head);
            *known = head.max(*known);
        }
        while self.audit.len() > MOST_CHAINS {
            let oldest = self.audit.iter().min_by_key(|(_, head)| head.number);
            let Some(oldest) = oldest.map(|(chain, _)| chain.clone()) else { break };
            self.audit.remove(&oldest);
        }
        self.set_back |= other.set_back;
        self.saved_at = self.saved_at.max(other.saved_at);
    }

    fn lacked_by(&self, found: &Self, newest_chain: i64) -> Option<String> {
        if self.set_back {
            return Some("it was set back before, or recovered under another name".to_owned());
        }
        if found.epoch < self.epoch {
            return Some(format!("epoch {} instead of {}", found.epoch, self.epoch));
        }
        if found.keys_revision < self.keys_revision {
            return Some(format!(
                "keys of revision {} instead of {}",
                found.keys_revision, self.keys_revision
            ));
        }
        let newest_list = found.lists.keys().max();
        let list = self.lists.iter().find(|(list, revision)| match found.lists.get(list) {
            Some(found) => found < revision,
            // Lists that nothing is alive in are dropped, but never the newest one.
            None => newest_list < Some(list),
        });
        if let Some((list, revision)) = list {
            return Some(format!("status list {list} not of revision {revision}"));
        }
        let chain = self.audit.iter().find(|(chain, head)| match found.audit.get(*chain) {
            Some(found) => found < head,
            // Chains that are over are deleted in the end, but never the newest one.
            None => newest_chain < head.number,
        });
        chain.map(|(chain, head)| format!("the audit chain {chain} not at position {}", head.position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(epoch: i64, keys: i64, lists: &[(i64, i64)], audit: &[(&str, i64, i64)]) -> Progress {
        let head = |(chain, number, position): &(&str, i64, i64)| {
            ((*chain).to_owned(), Head { number: *number, position: *position })
        };
        Progress {
            epoch,
            keys_revision: keys,
            lists: lists.iter().copied().collect(),
            audit: audit.iter().map(head).collect(),
            ..Progress::default()
        }
    }

    #[test]
    fn a_database_that_lacks_anything_is_behind_and_one_that_went_on_is_not() {
        let mut book = Book::default();
        book.raise("db", progress(1, 10, &[(0, 100), (1, 100)], &[("own", 3, 7)]));
        let lacks = |found, newest| book.lacks("db", &found, newest).is_some();
        assert!(!lacks(progress(1, 10, &[(0, 100), (1, 100)], &[("own", 3, 7)]), 3));
        assert!(!lacks(progress(2, 11, &[(0, 101), (1, 100), (2, 5)], &[("own", 3, 8)]), 4));
        // What is over is deleted: the first list, and chains whose time is over.
        assert!(!lacks(progress(1, 10, &[(1, 100), (2, 5)], &[]), 4));
        assert!(lacks(progress(0, 10, &[(0, 100), (1, 100)], &[("own", 3, 7)]), 3));
        assert!(lacks(progress(1, 9, &[(0, 100), (1, 100)], &[("own", 3, 7)]), 3));
        assert!(lacks(progress(1, 10, &[(0, 99), (1, 100)], &[("own", 3, 7)]), 3));
        assert!(lacks(progress(1, 10, &[(0, 100)], &[("own", 3, 7)]), 3), "before the list was published");
        assert!(lacks(progress(1, 10, &[], &[("own", 3, 7)]), 3));
        assert!(lacks(progress(1, 10, &[(0, 100), (1, 100)], &[("own", 3, 6)]), 3));
        assert!(lacks(progress(1, 10, &[(0, 100), (1, 100)], &[]), 2), "before the chain began");
        assert_eq!(book.lacks("another", &progress(0, 0, &[], &[]), 0), None);
    }

    #[test]
    fn a_database_that_was_set_back_stays_so_whatever_is_written_to_it() {
        let mut book = Book::default();
        book.raise("db", progress(1, 10, &[], &[]));
        assert!(book.set_back("db") && !book.set_back("db"));
        let text = serde_json::to_string(&book).unwrap();
        let mut read: Book = serde_json::from_str(&text).unwrap();
        read.raise("db", progress(1, 99, &[(0, 7)], &[]));
        assert!(read.lacks("db", &progress(1, 99, &[(0, 7)], &[]), 0).is_some());
    }

    #[test]
    fn the_book_keeps_what_is_higher_and_is_bounded() {
        let (mut one, mut other) = (Book::default(), Book::default());
        one.raise("db", progress(2, 10, &[(0, 5)], &[("a", 1, 9)]));
        other.raise("db", progress(1, 11, &[(0, 4), (1, 1)], &[("a", 1, 8), ("b", 2, 1)]));
        one.merge(other);
        let merged = progress(2, 11, &[(0, 5), (1, 1)], &[("a", 1, 9), ("b", 2, 1)]);
        assert_eq!(one.databases["db"], merged);
        for number in 0..100 {
            let mut new = Book::default();
            new.raise(&format!("db-{number}"), progress(number, 0, &[], &[]));
            one.raise("db", progress(0, 0, &[(0, 1)], &[(&format!("chain-{number}"), number, 1)]));
            one.merge(new.clone());
            one.date(&new, 1000 + number);
        }
        assert_eq!((one.databases.len(), one.highest_epoch()), (MOST_DATABASES, 99));
        assert!(one.chains().len() <= MOST_CHAINS, "{:?}", one.chains());
    }

    #[test]
    fn lists_that_are_dropped_or_too_many_do_not_make_the_book_new_again_and_again() {
        let (mut book, mut file) = (Book::default(), Book::default());
        // Twice, as from the file and from memory: a list is dropped, and nothing else happens.
        for lists in [&[(0, 5), (1, 7)][..], &[(1, 7)]] {
            book.raise("db", progress(1, 1, lists, &[]));
            file.merge(book.clone());
            book.merge(file.clone());
        }
        assert!(!book.raise("db", progress(1, 1, &[(1, 7)], &[])));
        assert!(book.raise("db", progress(1, 1, &[(1, 8)], &[])));
        let many: Vec<(i64, i64)> = (0..5000).map(|list| (list, 1)).collect();
        assert!(book.raise("db", progress(1, 1, &many, &[])));
        file.merge(book.clone());
        book.merge(file);
        assert!(!book.raise("db", progress(1, 1, &many, &[])));
        let kept = &book.databases["db"].lists;
        assert_eq!((kept.len(), kept.contains_key(&4999), kept.contains_key(&0)), (MOST_LISTS, true, false));
        assert!(book.lacks("db", &progress(1, 1, &many[..4999], &[]), 0).is_some());
        assert!(book.lacks("db", &progress(1, 1, &many[4000..], &[]), 0).is_none());
    }
}
