//! A status list as it is held: the newest one that the issuer has signed, and what lists of earlier revisions say besides.
//! Pure.
//!
//! Revisions only rise, unless the issuer was restored from a backup. A list of an earlier revision is then the issuer's
//! newest one, and revocations that are made from now on are in it alone; those that the backup does not know are in the
//! list that was held before. So tokens are judged by both, until the tokens that the earlier list may have forgotten have
//! expired. Only then does the list of the earlier revision take the place of the other, or when that one can no longer be
//! used: until then nothing makes it fresher.

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
    /// The list of the highest revision: how long anything here may be used depends on it alone.
    pub(in crate::remote) signed: Arc<SignedList>,
    /// When the issuer last said that it is current.
    pub(in crate::remote) seen: Seen,
    /// What tokens are judged by: `signed`, with all that was merged into it.
    judged: Arc<StatusList>,
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

/// A list of an earlier revision, which the issuer answers with nevertheless.
#[derive(Clone)]
pub(in crate::remote) struct Earlier {
    pub(in crate::remote) signed: Arc<SignedList>,
    /// When the issuer last answered with it.
    pub(in crate::remote) seen: Seen,
    /// Since when the issuer answers with earlier revisions, and with no other.
    pub(in crate::remote) since: Seen,
}

/// What lists said that are gone.
#[derive(Clone)]
pub(in crate::remote) struct Remembered {
    pub(in crate::remote) list: Arc<StatusList>,
    /// When the latest of it was learnt.
    pub(in crate::remote) learnt: Seen,
}

/// What the clocks say.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    /// The wall clock, in seconds since 1970.
    pub(crate) secs: u64,
    /// How far that may be off, in seconds.
    pub(crate) leeway: u64,
    pub(crate) instant: Instant,
}

/// What decides when a list is over.
#[derive(Clone, Copy)]
pub(in crate::remote) struct Terms {
    pub(in crate::remote) now: Now,
    /// How long what is merged holds: no token outlives the revocation that it may have missed.
    pub(in crate::remote) hold: Duration,
    /// A list that could not be confirmed for so long is not used.
    pub(in crate::remote) max_age: Duration,
}

/// Lists that are no longer kept by themselves, and when they were learnt.
type Gone = Vec<(Arc<StatusList>, Seen)>;

impl Held {
    pub(in crate::remote) fn new(signed: Arc<SignedList>, seen: Seen) -> Self {
        let judged = Arc::clone(&signed.list);
        Self { signed, seen, judged, earlier: None, remembered: None }
    }

    /// What is held from now on, by what is known and what a fetch has brought; and the `ETag` that stands for what the issuer
    /// answered with. `vouched`: the key of what is known is still the issuer's; otherwise any list takes its place.
    pub(in crate::remote) fn after(
        known: Option<&Self>,
        vouched: bool,
        brought: FetchedList,
        seen: Seen,
        terms: &Terms,
    ) -> Result<(Self, Option<HeaderValue>), &'static str> {
        let (list, etag): (Arc<SignedList>, _) = match (brought, known) {
            (FetchedList::Unchanged(etag), Some(known)) => return Ok((known.confirmed(seen, terms), etag)),
            (FetchedList::Unchanged(_), None) => return Err("nothing is known that could be unchanged"),
            (FetchedList::List(list, etag), _) => (Arc::from(list), etag),
        };
        let Some(known) = known.filter(|_| vouched) else { return Ok((Self::new(list, seen), etag)) };
        let held = known.with(&list, seen, terms)?;
        // An answer that nothing has changed is about the list of this `ETag`.
        let is_latest = list.compared_with(held.latest()) != Age::Older;
        Ok((held, etag.filter(|_| is_latest)))
    }

    /// The same with what a snapshot says was merged into it.
    pub(in crate::remote) fn merged(
        mut self,
        earlier: Option<Earlier>,
        remembered: Option<Remembered>,
        terms: &Terms,
    ) -> Self {
        (self.earlier, self.remembered) = (earlier, remembered);
        let gone = self.settle(terms);
        self.judge(gone, terms);
        self
    }

    /// The status at place `idx`, by everything that is known.
    pub(in crate::remote) fn get(&self, idx: u64) -> Option<u8> {
        self.judged.get(idx)
    }

    pub(in crate::remote) fn is_usable(&self, now: Now, max_age: Duration) -> bool {
        self.signed.exp.is_none_or(|exp| now.secs < exp.saturating_add(now.leeway))
            && self.seen.freshness.age_at(now.instant) <= max_age
    }

    /// The list that the issuer answered with last.
    pub(in crate::remote) fn latest(&self) -> &Arc<SignedList> {
        self.earlier.as_ref().map_or(&self.signed, |earlier| &earlier.signed)
    }

    /// Whether both say the same, however old they are.
    pub(in crate::remote) fn says_the_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.signed, &other.signed)
            && Arc::ptr_eq(&self.judged, &other.judged)
            && Arc::ptr_eq(self.latest(), other.latest())
    }

    /// How long it is until something that was merged is over.
    pub(in crate::remote) fn merged_for(&self, terms: &Terms) -> Option<Duration> {
        let since = self.earlier.iter().map(|earlier| earlier.since);
        let since = since.chain(self.remembered.iter().map(|remembered| remembered.learnt));
        since.map(|seen| terms.hold.saturating_sub(seen.age(terms))).min()
    }

    /// The issuer says that what it answered with last is current.
    fn confirmed(&self, seen: Seen, terms: &Terms) -> Self {
        let mut next = self.clone();
        match &mut next.earlier {
            Some(earlier) => earlier.seen = seen,
            None => next.seen = seen,
        }
        let gone = next.settle(terms);
        next.judge(gone, terms);
        next
    }

    /// The issuer has answered with `fetched`.
    ///
    /// # Errors
    /// The list is older than the one that is held, by dates and not by revisions: it says nothing.
    fn with(&self, fetched: &Arc<SignedList>, seen: Seen, terms: &Terms) -> Result<Self, &'static str> {
        let mut next = self.clone();
        let mut gone = next.settle(terms);
        match fetched.compared_with(&next.signed) {
            Age::Newer => gone.extend(next.go_on_with(fetched, seen)),
            Age::Same => gone.extend(next.confirm(fetched, seen)),
            Age::Older if !fetched.counts_like(&next.signed) => {
                return Err("a list older than the one that is known");
            }
            Age::Older if !next.is_usable(terms.now, terms.max_age) => {
                gone.push((Arc::clone(&next.signed.list), next.seen));
                (next.signed, next.seen) = (Arc::clone(fetched), seen);
            }
            Age::Older => gone.extend(next.follow(fetched, seen)),
        }
        next.judge(gone, terms);
        Ok(next)
    }

    /// A newer list takes the place of the one that is held.
    fn go_on_with(&mut self, fetched: &Arc<SignedList>, seen: Seen) -> Gone {
        let before = std::mem::replace(&mut self.signed, Arc::clone(fetched));
        self.seen = seen;
        match self.earlier.take() {
            // The issuer has counted up to here once more, and may have forgotten what it knew the first time.
            Some(earlier) => vec![(before.list.clone(), earlier.since), (earlier.signed.list.clone(), seen)],
            // The same, unseen so far: within one revision, a list only loses what has expired.
            None if before.revision.is_some()
                && before.revision == fetched.revision
                && !before.list.covers(&fetched.list) =>
            {
                vec![(before.list.clone(), seen)]
            }
            None => Vec::new(),
        }
    }

    /// What is held is current: earlier lists were some cache's, or those of a replica that lags behind.
    fn confirm(&mut self, fetched: &Arc<SignedList>, seen: Seen) -> Gone {
        self.seen = seen;
        let other = (fetched.token != self.signed.token).then(|| (Arc::clone(&fetched.list), seen));
        let earlier = self.earlier.take().map(|earlier| (Arc::clone(&earlier.signed.list), seen));
        other.into_iter().chain(earlier).collect()
    }

    /// The issuer answers with an earlier revision.
    fn follow(&mut self, fetched: &Arc<SignedList>, seen: Seen) -> Gone {
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

    /// Ends what is over.
    fn settle(&mut self, terms: &Terms) -> Gone {
        let is_over = |seen: &Seen| seen.age(terms) >= terms.hold;
        self.remembered.take_if(|remembered| is_over(&remembered.learnt));
        let usable = self.is_usable(terms.now, terms.max_age);
        let Some(earlier) = self.earlier.take_if(|earlier| is_over(&earlier.since) || !usable) else {
            return Vec::new();
        };
        let before = std::mem::replace(&mut self.signed, earlier.signed);
        self.seen = earlier.seen;
        if is_over(&earlier.since) { Vec::new() } else { vec![(before.list.clone(), earlier.since)] }
    }

    /// Puts together what tokens are judged by. What is `gone` is remembered, if it says anything that the others do not.
    fn judge(&mut self, gone: Gone, terms: &Terms) {
        let current = match &self.earlier {
            Some(earlier) => union(&self.signed.list, &earlier.signed.list),
            None => Arc::clone(&self.signed.list),
        };
        self.remembered.take_if(|remembered| current.covers(&remembered.list));
        for (list, learnt) in gone {
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
        let judged = match &self.remembered {
            Some(remembered) => union(&current, &remembered.list),
            None => current,
        };
        if self.is_unmerged() || !(judged.covers(&self.judged) && self.judged.covers(&judged)) {
            self.judged = judged;
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

/// One of both where it says all that the other says.
fn union(one: &Arc<StatusList>, other: &Arc<StatusList>) -> Arc<StatusList> {
    if one.covers(other) { Arc::clone(one) } else { Arc::new(one.union(other)) }
}
