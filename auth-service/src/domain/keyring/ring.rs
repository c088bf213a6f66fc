//! The keys in memory: which one signs at a time, and which are published. Time decides, so that any number of replicas
//! agree without talking to each other.

use std::sync::Arc;

use jsonwebtoken::jwk::Jwk;
use serde::Serialize;

use crate::domain::entity_tag::entity_tag;
use crate::domain::keyring::error::KeyringError;
use crate::domain::keyring::plan::Lifetimes;
use crate::domain::keyring::published_keys::PublishedKeys;
use crate::domain::keyring::refresh_key::RefreshKey;
use crate::domain::keyring::signing_key::SigningKey;
use crate::domain::keyring::stored::{Opened, Purpose, Stored};
use crate::domain::keyring::times::Times;

/// The leeway that verifiers may have at the most, in seconds.
pub(in crate::domain) const MOST_LEEWAY: i64 = 300;

/// The keys as they were read at one time.
#[derive(Clone)]
pub(super) struct Ring {
    pub(super) epoch: i64,
    pub(super) revision: i64,
    /// Seconds.
    pub(super) longest_access_ttl: i64,
    /// Oldest first, without those that are retired.
    pub(super) signing: Vec<Arc<SigningKey>>,
    /// Oldest first.
    pub(super) refresh: Vec<Arc<RefreshKey>>,
    pub(super) published: Arc<PublishedKeys>,
    /// Signing keys of which nothing that they signed can be alive, and since when, in unix seconds.
    pub(super) retired: Vec<(String, i64)>,
    /// When the next signing key retires; far in the future when none does.
    pub(super) next_retirement: i64,
    /// When the newest row of each purpose becomes active, in the order of [`Purpose::ROTATED`].
    newest_rows: [Option<i64>; 2],
}

/// What a ring is made of.
pub(super) struct Parts {
    pub(super) epoch: i64,
    pub(super) revision: i64,
    /// Seconds.
    pub(super) longest_access_ttl: i64,
    /// Oldest first.
    pub(super) signing: Vec<Arc<SigningKey>>,
    /// Oldest first.
    pub(super) refresh: Vec<Arc<RefreshKey>>,
    newest_rows: [Option<i64>; 2],
    retired: Vec<(String, i64)>,
}

impl Parts {
    /// What is stored, as far as it opened.
    pub(super) fn of(stored: &Stored, opened: Opened) -> Self {
        Self {
            epoch: stored.issuance.epoch,
            revision: stored.issuance.keys_revision,
            longest_access_ttl: stored.issuance.longest_access_ttl,
            signing: opened.signing,
            refresh: opened.refresh,
            newest_rows: Purpose::ROTATED.map(|purpose| stored.newest(purpose)),
            retired: Vec::new(),
        }
    }

    /// What is at hand.
    pub(super) fn of_ring(ring: &Ring) -> Self {
        Self {
            epoch: ring.epoch,
            revision: ring.revision,
            longest_access_ttl: ring.longest_access_ttl,
            signing: ring.signing.clone(),
            refresh: ring.refresh.clone(),
            newest_rows: ring.newest_rows,
            retired: ring.retired.clone(),
        }
    }

    /// Adds the keys at hand whose rows are still there, though they do not open any more.
    pub(super) fn and_those_at_hand(mut self, ring: &Ring, stored: &Stored) -> Self {
        for key in &ring.signing {
            let known = self.signing.iter().any(|known| known.kid == key.kid);
            if !known && stored.has(Purpose::Access, &key.kid) {
                self.signing.push(Arc::clone(key));
            }
        }
        for key in &ring.refresh {
            let known = self.refresh.iter().any(|known| known.kid == key.kid);
            if !known && stored.has(Purpose::Refresh, &key.kid) {
                self.refresh.push(Arc::clone(key));
            }
        }
        self.signing.sort_by_key(|key| key.times.active_from);
        self.refresh.sort_by_key(|key| key.times.active_from);
        self
    }
}

#[derive(Serialize)]
struct Document<'a> {
    keys: Vec<&'a Jwk>,
    /// Ours: lets a verifier tell a newer set from an older one.
    revision: i64,
}

impl Ring {
    /// The keys of `parts`, without those whose time was over at the time `over`: the time of now, when the clock is believed.
    pub(super) fn new(parts: Parts, lifetimes: &Lifetimes, over: i64) -> Result<Self, KeyringError> {
        let Parts { epoch, revision, longest_access_ttl, signing, refresh, newest_rows, mut retired } = parts;
        // The last thing that a key signs lives for this long after another key took over.
        let longest_access_ttl = longest_access_ttl.max(lifetimes.access_token);
        let keep = longest_access_ttl.max(lifetimes.status_list).saturating_add(MOST_LEEWAY);
        let (mut kept, mut next_retirement) = (Vec::new(), i64::MAX);
        let successors: Vec<Option<i64>> =
            signing.iter().skip(1).map(|next| Some(next.times.active_from)).chain([None]).collect();
        for (key, successor) in signing.into_iter().zip(successors) {
            let end = successor.map_or(i64::MAX, |at| at.saturating_add(keep));
            if end <= over {
                retired.push((key.kid.clone(), end));
            } else {
                next_retirement = next_retirement.min(end);
                kept.push(key);
            }
        }
        let document =
            Document { keys: kept.iter().filter_map(|key| key.public.as_ref()).collect(), revision };
        let json = serde_json::to_string(&document).map_err(|_| KeyringError::Crypto)?;
        let etag = entity_tag(&json);
        Ok(Self {
            epoch,
            revision,
            longest_access_ttl,
            signing: kept,
            refresh,
            published: Arc::new(PublishedKeys { json, etag, revision }),
            retired,
            next_retirement,
            newest_rows,
        })
    }

    /// The newest signing key that is active. The oldest one when none is: after a withdrawal, a replica whose clock is a
    /// little behind has nothing else.
    pub(super) fn signer(&self, now: i64) -> Option<&SigningKey> {
        self.signing
            .iter()
            .rev()
            .find(|key| key.times.active_from <= now)
            .or(self.signing.first())
            .map(AsRef::as_ref)
    }

    /// The key of the refresh tokens that are made at this time.
    pub(super) fn refresh_key(&self, at: i64) -> Option<&RefreshKey> {
        self.refresh
            .iter()
            .rev()
            .find(|key| key.times.active_from <= at)
            .or(self.refresh.first())
            .map(AsRef::as_ref)
    }

    /// The newest key of a purpose among those that come into force at the time `latest` or before.
    pub(super) fn newest(&self, purpose: Purpose, latest: i64) -> Option<Times> {
        let in_time = |times: &Times| times.active_from <= latest;
        match purpose {
            Purpose::Access => self.signing.iter().rev().map(|key| key.times).find(in_time),
            Purpose::Refresh => self.refresh.iter().rev().map(|key| key.times).find(in_time),
            Purpose::Audit | Purpose::Names => None,
        }
    }

    /// When the newest row of a purpose becomes active, whether it opened or not.
    pub(super) fn newest_row(&self, purpose: Purpose) -> Option<i64> {
        let [access, refresh] = self.newest_rows;
        match purpose {
            Purpose::Access => access,
            Purpose::Refresh => refresh,
            Purpose::Audit | Purpose::Names => None,
        }
    }
}
