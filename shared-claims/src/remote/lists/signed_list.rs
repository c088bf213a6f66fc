//! A signed status list (draft-ietf-oauth-status-list section 5.1), verified like an access token, with the same keys.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Deserializer, de};

use crate::{
    claims::standard::{numeric_date, optional_date, present},
    error::refusal::Refusal,
    jws::{STATUS_LIST, Unverified},
    keys::key_set::KeySet,
    policy::Policy,
    status::{EncodedList, StatusList},
    strict,
};

/// A list that the issuer has signed.
pub(crate) struct SignedList {
    pub(crate) list: Arc<StatusList>,
    /// The id of the key that signed it.
    pub(in crate::remote) kid: String,
    /// When it expires, in seconds since 1970.
    pub(crate) exp: Option<u64>,
    /// After how long to fetch it again.
    pub(in crate::remote) ttl: Option<Duration>,
    /// Its text, for the snapshot.
    pub(in crate::remote) token: Box<str>,
    iat: u64,
    /// auth-service's own claim, which rises with each change.
    pub(in crate::remote) revision: Option<u64>,
}

/// The age of a fetched list compared with the known one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::remote) enum Age {
    Newer,
    /// It has the same content.
    Same,
    Older,
}

/// The requirements for a list.
pub(in crate::remote) struct Expected<'a> {
    pub(in crate::remote) uri: &'a str,
    pub(in crate::remote) policy: &'a Policy,
    /// Seconds since 1970.
    pub(in crate::remote) now: u64,
    /// The limit when inflated.
    pub(in crate::remote) max_bytes: usize,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(default, deserialize_with = "present")]
    iss: Option<String>,
    sub: String,
    #[serde(deserialize_with = "numeric_date")]
    iat: u64,
    #[serde(default, deserialize_with = "optional_date")]
    exp: Option<u64>,
    #[serde(default, deserialize_with = "optional_seconds")]
    ttl: Option<Duration>,
    #[serde(default, deserialize_with = "present")]
    revision: Option<u64>,
    #[serde(borrow)]
    status_list: EncodedList<'a>,
}

impl SignedList {
    /// Verifies and reads a list.
    pub(in crate::remote) fn verify(
        token: &str,
        keys: &KeySet,
        expected: &Expected<'_>,
    ) -> Result<Self, Refusal> {
        let parts = Unverified::parse(token, &STATUS_LIST).map_err(|refusal| match refusal {
            Refusal::Type => Refusal::Malformed("not a status list"),
            other => other,
        })?;
        let key = parts.key(expected.policy)?;
        keys.verify(key, &parts)?;
        let payload: Payload<'_> = strict::Object::check(&parts.payload)
            .map_err(Refusal::Malformed)?
            .read()
            .map_err(|_| Refusal::Malformed("a claim is missing or has the wrong type"))?;
        payload.check(expected)?;
        let list = StatusList::read(&payload.status_list, expected.max_bytes).map_err(Refusal::Malformed)?;
        let Payload { iat, exp, ttl, revision, .. } = payload;
        Ok(Self {
            list: Arc::new(list),
            kid: key.kid.to_owned(),
            exp,
            ttl,
            token: token.into(),
            iat,
            revision,
        })
    }

    /// Returns when a list was signed, in seconds since 1970 by the issuer's clock, even if that is in the future.
    pub(in crate::remote) fn issued_at(token: &str, keys: &KeySet, policy: &Policy) -> Option<u64> {
        #[derive(Deserialize)]
        struct Issued {
            #[serde(deserialize_with = "numeric_date")]
            iat: u64,
        }
        let parts = Unverified::parse(token, &STATUS_LIST).ok()?;
        keys.verify(parts.key(policy).ok()?, &parts).ok()?;
        strict::Object::check(&parts.payload).ok()?.read().ok().map(|Issued { iat }| iat)
    }

    /// Returns when it was signed, in seconds since 1970.
    pub(in crate::remote) fn iat(&self) -> u64 {
        self.iat
    }

    /// Returns whether most of its lifetime is over, at `now` in seconds since 1970. The issuer may then have signed the
    /// same content again.
    pub(in crate::remote) fn is_old(&self, now: u64) -> bool {
        self.exp.is_some_and(|exp| exp.saturating_sub(now) < exp.saturating_sub(self.iat) / 4)
    }

    /// Returns whether both have revisions, so that their order is certain.
    pub(in crate::remote) fn counts_like(&self, other: &Self) -> bool {
        self.revision.is_some() && other.revision.is_some()
    }

    /// Compares by revision if both have one, and otherwise by `iat`.
    pub(in crate::remote) fn compared_with(&self, known: &Self) -> Age {
        let (this, other) = match (self.revision, known.revision) {
            (Some(this), Some(other)) if this != other => (this, other),
            (Some(_), Some(_)) if self.iat <= known.iat => return Age::Same,
            _ => (self.iat, known.iat),
        };
        match this.cmp(&other) {
            std::cmp::Ordering::Less => Age::Older,
            std::cmp::Ordering::Equal if self.token == known.token => Age::Same,
            _ => Age::Newer,
        }
    }
}

impl Payload<'_> {
    fn check(&self, expected: &Expected<'_>) -> Result<(), Refusal> {
        let Expected { uri, policy, now, .. } = expected;
        if self.iss.as_ref().is_some_and(|iss| iss != policy.issuer()) {
            Err(Refusal::Issuer)
        } else if self.sub != *uri {
            Err(Refusal::Malformed("the status list has another sub"))
        } else if self.iat > now.saturating_add(policy.leeway_secs()) {
            Err(Refusal::NotYetValid)
        } else if self.exp.is_some_and(|exp| *now >= exp.saturating_add(policy.leeway_secs())) {
            Err(Refusal::Expired)
        } else {
            Ok(())
        }
    }
}

/// Reads a positive number of seconds, possibly with a fraction.
fn optional_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(Some(duration)),
        _ => Err(de::Error::custom("not a positive number of seconds")),
    }
}
