//! A status list in memory: the newest one that the issuer has signed, and what was merged into it from lists of earlier
//! revisions.
//!
//! Revisions only rise, unless the issuer was restored from a backup. Its current list then has an earlier revision. New
//! revocations are only in that list, and those after the backup are only in the list that was held before. So tokens are
//! checked against both, until every token has expired whose revocation the issuer may have lost. Only then, or when the
//! list of the higher revision can no longer be used, does the list of the earlier revision replace it. Until then nothing
//! makes the former fresher.

use std::{sync::Arc, time::Duration};

use reqwest::header::HeaderValue;

use super::{
    fetched::FetchedList,
    signed_list::{Age, SignedList},
};
use crate::{
    clock::{Freshness, Instant},
    status::StatusList,
};

/// A list with what is known about its age.
#[derive(Clone)]
pub(in crate::remote) struct Held {
    /// The list of the highest revision. It alone decides how long the whole may be used.
    pub(in crate::remote) signed: Arc<SignedList>,
    /// When the issuer last confirmed that it is current.
    pub(in crate::remote) seen: Seen,
    /// What tokens are checked against: `signed`, with everything that was merged into it.
    effective: Arc<StatusList>,
    pub(in crate::remote) earlier: Option<Earlier>,
    pub(in crate::remote) remembered: Option<Remembered>,
}

/// When something was seen, by both clocks.
#[derive(Clone, Copy)]
pub(in crate::remote) struct Seen {
    /// Seconds since 1970.
    pub(in crate::remote) at: u64,
    pub(in crate::remote) freshness: Freshness,
}

/// A list of an earlier revision, which the issuer now responds with.
#[derive(Clone)]
pub(in crate::remote) struct Earlier {
    pub(in crate::remote) signed: Arc<SignedList>,
    /// When the issuer last responded with it.
    pub(in crate::remote) seen: Seen,
    /// Since when the issuer has only responded with earlier revisions.
    pub(in crate::remote) since: Seen,
}

/// The content of lists that are no longer kept themselves.
#[derive(Clone)]
pub(in crate::remote) struct Remembered {
    pub(in crate::remote) list: Arc<StatusList>,
    /// When the latest part of it was seen.
    pub(in crate::remote) learnt: Seen,
}

/// The time by both clocks.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    /// The wall clock, in seconds since 1970.
    pub(crate) secs: u64,
    /// How far the wall clock may be off, in seconds.
    pub(crate) leeway: u64,
    pub(crate) instant: Instant,
}

/// What decides when a list has expired.
#[derive(Clone, Copy)]
pub(in crate::remote) struct Terms {
    pub(in crate::remote) now: Now,
    /// How long merged content is kept: until every token has expired whose revocation the issuer may have lost.
    pub(in crate::remote) hold: Duration,
    /// A list that was not confirmed for this long is not used.
    pub(in crate::remote) max_age: Duration,
}

/// The reason why a fetched list is not used.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(in crate::remote) enum Unusable {
    #[error("no list is known that could be unchanged")]
    NothingKnown,
    #[error("a list older than the known one")]
    Older,
}

/// Lists that are no longer kept themselves, and when they were seen.
type Superseded = Vec<(Arc<StatusList>, Seen)>;

impl Held {
    pub(in crate::remote) fn new(signed: Arc<SignedList>, seen: Seen) -> Self {
        let effective = Arc::clone(&signed.list);
        Self { signed, seen, effective, earlier: None, remembered: None }
    }

    /// Returns what is held after a fetch, and the `ETag` of the issuer's response. If not `vouched`, the key of the known
    /// list is no longer the issuer's, and any list replaces it.
    pub(in crate::remote) fn after(
        known: Option<&Self>,
        vouched: bool,
        fetched: FetchedList,
        seen: Seen,
        terms: &Terms,
    ) -> Result<(Self, Option<HeaderValue>), Unusable> {
        let (list, etag): (Arc<SignedList>, _) = match (fetched, known) {
            (FetchedList::Unchanged(etag), Some(known)) => return Ok((known.confirmed(seen, terms), etag)),
            (FetchedList::Unchanged(_), None) => return Err(Unusable::NothingKnown),
            (FetchedList::List(list, etag), _) => (Arc::from(list), etag),
        };
        let Some(known) = known.filter(|_| vouched) else { return Ok((Self::new(list, seen), etag)) };
        let held = known.updated_with(&list, seen, terms)?;
        // A later response that nothing has changed refers to the list with this `ETag`.
        let is_latest = list.compared_with(held.latest()) != Age::Older;
        Ok((held, etag.filter(|_| is_latest)))
    }

    /// Adds the merged content of a snapshot.
    pub(in crate::remote) fn with_merged(
        mut self,
        earlier: Option<Earlier>,
        remembered: Option<Remembered>,
        terms: &Terms,
    ) -> Self {
        (self.earlier, self.remembered) = (earlier, remembered);
        let superseded = self.drop_expired(terms);
        self.rebuild(superseded, terms);
        self
    }

    /// Returns the status at the index `idx`, with everything that was merged.
    pub(in crate::remote) fn get(&self, idx: u64) -> Option<u8> {
        self.effective.get(idx)
    }

    pub(in crate::remote) fn is_usable(&self, now: Now, max_age: Duration) -> bool {
        self.signed.exp.is_none_or(|exp| now.secs < exp.saturating_add(now.leeway))
            && self.seen.freshness.age_at(now.instant) <= max_age
    }

    /// Returns the list that the issuer responded with last.
    pub(in crate::remote) fn latest(&self) -> &Arc<SignedList> {
        self.earlier.as_ref().map_or(&self.signed, |earlier| &earlier.signed)
    }

    /// Returns whether both have the same content, whatever their age.
    pub(in crate::remote) fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.signed, &other.signed)
            && Arc::ptr_eq(&self.effective, &other.effective)
            && Arc::ptr_eq(self.latest(), other.latest())
    }

    /// Returns how long it takes until something that was merged expires.
    pub(in crate::remote) fn merged_for(&self, terms: &Terms) -> Option<Duration> {
        let since = self.earlier.iter().map(|earlier| earlier.since);
        let since = since.chain(self.remembered.iter().map(|remembered| remembered.learnt));
        since.map(|seen| terms.hold.saturating_sub(seen.age(terms))).min()
    }

    /// Notes that the issuer's latest list is current.
    fn confirmed(&self, seen: Seen, terms: &Terms) -> Self {
        let mut next = self.clone();
        match &mut next.earlier {
            Some(earlier) => earlier.seen = seen,
            None => next.seen = seen,
        }
        let superseded = next.drop_expired(terms);
        next.rebuild(superseded, terms);
        next
    }

    /// Adds a list that was fetched.
    ///
    /// # Errors
    /// If neither list has a revision to compare, and the fetched one was signed earlier.
    fn updated_with(&self, fetched: &Arc<SignedList>, seen: Seen, terms: &Terms) -> Result<Self, Unusable> {
        let mut next = self.clone();
        let mut superseded = next.drop_expired(terms);
        match fetched.compared_with(&next.signed) {
            Age::Newer => superseded.extend(next.replace_with(fetched, seen)),
            Age::Same => superseded.extend(next.confirm(fetched, seen)),
            Age::Older if !fetched.counts_like(&next.signed) => {
                return Err(Unusable::Older);
            }
            Age::Older if !next.is_usable(terms.now, terms.max_age) => {
                superseded.push((Arc::clone(&next.signed.list), next.seen));
                (next.signed, next.seen) = (Arc::clone(fetched), seen);
            }
            Age::Older => superseded.extend(next.follow(fetched, seen)),
        }
        next.rebuild(superseded, terms);
        Ok(next)
    }

    /// Replaces the list by a newer one.
    fn replace_with(&mut self, fetched: &Arc<SignedList>, seen: Seen) -> Superseded {
        let before = std::mem::replace(&mut self.signed, Arc::clone(fetched));
        self.seen = seen;
        match self.earlier.take() {
            // The issuer has reached this revision a second time, and may have lost what it had the first time.
            Some(earlier) => vec![(before.list.clone(), earlier.since), (earlier.signed.list.clone(), seen)],
            // The same, unnoticed so far: within one revision, a list only loses entries that have expired.
            None if before.revision.is_some()
                && before.revision == fetched.revision
                && !before.list.covers(&fetched.list) =>
            {
                vec![(before.list.clone(), seen)]
            }
            None => Vec::new(),
        }
    }

    /// Notes that the list is current: earlier lists came from a cache or from a replica that lags behind.
    fn confirm(&mut self, fetched: &Arc<SignedList>, seen: Seen) -> Superseded {
        self.seen = seen;
        let other = (fetched.token != self.signed.token).then(|| (Arc::clone(&fetched.list), seen));
        let earlier = self.earlier.take().map(|earlier| (Arc::clone(&earlier.signed.list), seen));
        other.into_iter().chain(earlier).collect()
    }

    /// Notes that the issuer responds with an earlier revision.
    fn follow(&mut self, fetched: &Arc<SignedList>, seen: Seen) -> Superseded {
        let Some(earlier) = &mut self.earlier else {
            self.earlier = Some(Earlier { signed: Arc::clone(fetched), seen, since: seen });
            return Vec::new();
        };
        match fetched.compared_with(&earlier.signed) {
            Age::Newer => {
                let before = std::mem::replace(&mut earlier.signed, Arc::clone(fetched));
                earlier.seen = seen;
                vec![(Arc::clone(&before.list), seen)]
            }
            Age::Same => {
                earlier.seen = seen;
                vec![(Arc::clone(&fetched.list), seen)]
            }
            Age::Older => vec![(Arc::clone(&fetched.list), seen)],
        }
    }

    /// Drops what has expired.
    fn drop_expired(&mut self, terms: &Terms) -> Superseded {
        let finished = |seen: &Seen| seen.age(terms) >= terms.hold;
        self.remembered.take_if(|remembered| finished(&remembered.learnt));
        let usable = self.is_usable(terms.now, terms.max_age);
        let Some(earlier) = self.earlier.take_if(|earlier| finished(&earlier.since) || !usable) else {
            return Vec::new();
        };
        let before = std::mem::replace(&mut self.signed, earlier.signed);
        self.seen = earlier.seen;
        if finished(&earlier.since) { Vec::new() } else { vec![(before.list.clone(), earlier.since)] }
    }

    /// Rebuilds what tokens are checked against. The content of `superseded` lists is remembered if the others do not cover
    /// it.
    fn rebuild(&mut self, superseded: Superseded, terms: &Terms) {
        let current = match &self.earlier {
            Some(earlier) => union(&self.signed.list, &earlier.signed.list),
            None => Arc::clone(&self.signed.list),
        };
        self.remembered.take_if(|remembered| current.covers(&remembered.list));
        for (list, learnt) in superseded {
            if !current.covers(&list) {
                self.remembered = Some(match self.remembered.take() {
                    Some(more) => Remembered {
                        list: union(&more.list, &list),
                        learnt: more.learnt.later(learnt, terms),
                    },
                    None => Remembered { list, learnt },
                });
            }
        }
        let effective = match &self.remembered {
            Some(remembered) => union(&current, &remembered.list),
            None => current,
        };
        if self.is_unmerged() || !(effective.covers(&self.effective) && self.effective.covers(&effective)) {
            self.effective = effective;
        }
    }

    fn is_unmerged(&self) -> bool {
        self.earlier.is_none() && self.remembered.is_none()
    }
}

impl Seen {
    fn age(&self, terms: &Terms) -> Duration {
        self.freshness.age_at(terms.now.instant)
    }

    fn later(self, other: Self, terms: &Terms) -> Self {
        if other.age(terms) < self.age(terms) { other } else { self }
    }
}

/// Returns the union, without copying if one list covers the other.
fn union(one: &Arc<StatusList>, other: &Arc<StatusList>) -> Arc<StatusList> {
    if one.covers(other) { Arc::clone(one) } else { Arc::new(one.union(other)) }
}
