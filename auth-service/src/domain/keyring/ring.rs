//! The keys in memory: which one signs at a time, and which are published. Time decides, so that any number of replicas
//! agree without talking to each other.

use std::sync::Arc;

use jsonwebtoken::jwk::Jwk;
use serde::Serialize;

use super::refresh_key::RefreshKey;
use super::signing_key::SigningKey;
use super::stored::{Opened, Purpose, Stored};
use super::{KeyringError, Lifetimes, PublishedKeys, Times};
use crate::domain::entity_tag;

/// The leeway that verifiers may have at the most, in seconds.
pub(super) const MOST_LEEWAY: i64 = 300;

/// The keys as they were read at one time.
pub(super) struct Ring {
    pub(super) epoch: i64,
    pub(super) revision: i64,
    /// Seconds.
    pub(super) longest_access_ttl: i64,
    /// Oldest first, without those that are retired.
    pub(super) signing: Vec<SigningKey>,
    /// Oldest first.
    pub(super) refresh: Vec<RefreshKey>,
    pub(super) published: Arc<PublishedKeys>,
    /// Signing keys of which nothing that they signed can be alive, and since when, in unix seconds.
    pub(super) retired: Vec<(String, i64)>,
    /// When the next signing key retires; far in the future when none does.
    pub(super) next_retirement: i64,
    /// When the newest row of each purpose becomes active, in the order of [`Purpose::ROTATED`].
    newest_rows: [Option<i64>; 2],
}

#[derive(Serialize)]
struct Document<'a> {
    keys: Vec<&'a Jwk>,
    /// Ours: lets a verifier tell a newer set from an older one.
    revision: i64,
}

impl Ring {
    /// The keys that are stored, without those whose time was over at the time `over`: the time of now, when the clock is
    /// believed.
    pub(super) fn new(
        stored: &Stored,
        opened: Opened,
        lifetimes: &Lifetimes,
        over: i64,
    ) -> Result<Self, KeyringError> {
        // The last thing that a key signs lives for this long after another key took over.
        let longest_access_ttl = stored.issuance.longest_access_ttl.max(lifetimes.access_token);
        let keep = longest_access_ttl.max(lifetimes.status_list).saturating_add(MOST_LEEWAY);
        let (mut kept, mut retired, mut next_retirement) = (Vec::new(), Vec::new(), i64::MAX);
        let successors: Vec<Option<i64>> =
            opened.signing.iter().skip(1).map(|next| Some(next.times.active_from)).chain([None]).collect();
        for (key, successor) in opened.signing.into_iter().zip(successors) {
            let end = successor.map_or(i64::MAX, |at| at.saturating_add(keep));
            if end <= over {
                retired.push((key.kid, end));
            } else {
                next_retirement = next_retirement.min(end);
                kept.push(key);
            }
        }
        let revision = stored.issuance.keys_revision;
        let document =
            Document { keys: kept.iter().filter_map(|key| key.public.as_ref()).collect(), revision };
        let json = serde_json::to_string(&document).map_err(|_| KeyringError::Crypto)?;
        let etag = entity_tag(&json);
        Ok(Self {
            epoch: stored.issuance.epoch,
            revision,
            longest_access_ttl,
            signing: kept,
            refresh: opened.refresh,
            published: Arc::new(PublishedKeys { json, etag, revision }),
            retired,
            next_retirement,
            newest_rows: Purpose::ROTATED.map(|purpose| stored.newest(purpose)),
        })
    }

    /// The newest signing key that is active. The oldest one when none is: after a withdrawal, a replica whose clock is a
    /// little behind has nothing else.
    pub(super) fn signer(&self, now: i64) -> Option<&SigningKey> {
        self.signing.iter().rev().find(|key| key.times.active_from <= now).or(self.signing.first())
    }

    /// The key of the refresh tokens that are made at this time.
    pub(super) fn refresh_key(&self, at: i64) -> Option<&RefreshKey> {
        self.refresh.iter().rev().find(|key| key.times.active_from <= at).or(self.refresh.first())
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
