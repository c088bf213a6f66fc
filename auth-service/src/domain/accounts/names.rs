//! User names and verified addresses that were given up rest: for `accounts.rest` after a rename or a deletion only their
//! former owner may take them. After that they are remembered for as long again, so that an account which takes one then is
//! known to have it second hand, and operators who call it by that name are told.
//!
//! What is kept is a keyed digest. A name is judged in the transaction that takes it, *after* the account's row was written:
//! a rename that gives it up at the same moment has then either committed what rests, or still has the name.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::domain::clock::DatabaseClock;
use crate::domain::clock::{Moment, seconds};
use crate::domain::keyring::Keyring;
use crate::domain::keyring::NameKey;
use crate::domain::policy::Policy;
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::{StoreError, Unique};
use crate::store::resting_names;
use crate::store::resting_names::{Kind, RestingName};
use crate::store::users;
use crate::store::users::{Login, NameHistory, User};

/// How long a name is remembered that was given up, as a multiple of the time that it rests.
const REMEMBERED: i64 = 2;
/// Between two steps of a clean-up requests get their turn.
const PAUSE: Duration = Duration::from_millis(100);

/// Why an account does not get a name or an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain) enum Unavailable {
    /// Another account has it.
    Taken(Unique),
    /// It rests for another account.
    Resting(Unique),
}

impl Unavailable {
    /// Returns what it is about. Users are told no more than that.
    pub(in crate::domain) fn what(self) -> Unique {
        let (Self::Taken(what) | Self::Resting(what)) = self;
        what
    }
}

/// Names that an account is to have, or gives up.
#[derive(Debug, Clone, Copy)]
pub(in crate::domain) struct Wanted<'a> {
    /// A folded user name.
    pub(in crate::domain) username: Option<&'a str>,
    /// An address in its one spelling.
    pub(in crate::domain) email: Option<&'a str>,
    /// Whether the address is verified: then it is taken from an account for which it is not.
    pub(in crate::domain) verified: bool,
    /// Whether an operator allows names that rest.
    pub(in crate::domain) allow_resting: bool,
}

/// What rests at one moment.
#[derive(Debug, Clone)]
pub(in crate::domain) struct Rest {
    key: NameKey,
    moment: Moment,
    period: i64,
    most_resting: i64,
}

/// The names that accounts have given up.
#[derive(Clone)]
pub struct Names {
    /// Where they are stored.
    pub store: Store,
    /// Has the key under which they are stored.
    pub keyring: Arc<Keyring>,
    /// How long they rest.
    pub policy: Arc<Policy>,
    /// The database's time.
    pub clock: DatabaseClock,
}

impl Names {
    /// What rests now.
    pub(in crate::domain) fn rest(&self) -> Rest {
        let rules = &self.policy.names;
        let (period, most_resting) = (seconds(rules.rest), i64::from(rules.most_resting));
        Rest { key: self.keyring.name_key(), moment: self.clock.moment(), period, most_resting }
    }

    /// Deletes names that rest no longer and need not be remembered, at most `step` at once. Says how many there were.
    ///
    /// # Errors
    /// The store's.
    pub async fn forget(&self, now: i64, step: u32) -> Result<usize, StoreError> {
        let remembered = seconds(self.policy.names.rest).saturating_mul(REMEMBERED);
        let before = now.saturating_sub(remembered);
        let mut forgotten = 0;
        loop {
            let forget = move |db: &mut Connection| resting_names::forget(db, before, i64::from(step));
            let count = self.store.write(forget).await?;
            forgotten += count;
            if count < step as usize {
                return Ok(forgotten);
            }
            sleep(PAUSE).await;
        }
    }
}

impl Rest {
    /// Since when what happened to a name counts, in unix seconds. While the clock is in doubt, everything that is remembered:
    /// a name that is taken on one reading of it would be gone for good.
    pub(in crate::domain) fn since(&self) -> i64 {
        let Moment { now, in_doubt, .. } = self.moment;
        if in_doubt && self.period > 0 { i64::MIN } else { now.saturating_sub(self.period) }
    }

    fn digest(&self, kind: Kind, text: &str) -> String {
        self.key.digest(kind.as_str(), text)
    }

    fn rests(&self, name: &RestingName) -> bool {
        name.released_at > self.since()
    }

    /// Returns which of these names another account has, or which rests. A look ahead, before anything costly; the
    /// transaction that takes them decides. Everything is looked up in any case, so that a name at rest takes as long as one
    /// that is taken.
    pub(in crate::domain) fn look_ahead(
        &self,
        db: &mut Connection,
        wanted: Wanted<'_>,
    ) -> Result<Option<Unavailable>, StoreError> {
        let mut first = None;
        for (kind, text) in wanted.each() {
            let login = match kind {
                Kind::Username => Login::Username(text.to_owned()),
                Kind::Email => Login::Email(text.to_owned()),
            };
            let gives_way = |holder: &User| kind == Kind::Email && wanted.verified && !holder.email_verified;
            let taken = users::find(db, &login)?.is_some_and(|holder| !gives_way(&holder));
            let resting = resting_names::find(db, &self.digest(kind, text))?;
            let resting = !wanted.allow_resting && resting.is_some_and(|name| self.rests(&name));
            first = first.or(match (taken, resting) {
                (true, _) => Some(Unavailable::Taken(unique(kind))),
                (false, true) => Some(Unavailable::Resting(unique(kind))),
                (false, false) => None,
            });
        }
        Ok(first)
    }

    /// Takes names that were written into the account's row in this transaction, or returns what rests for another account.
    pub(in crate::domain) fn take(
        &self,
        db: &mut Connection,
        id: &str,
        wanted: Wanted<'_>,
    ) -> Result<Result<(), Unavailable>, StoreError> {
        let wanted_names: Vec<(Kind, String)> =
            wanted.each().map(|(kind, text)| (kind, self.digest(kind, text))).collect();
        let digests: Vec<String> = wanted_names.iter().map(|(_, digest)| digest.clone()).collect();
        let known = resting_names::hold(db, &digests)?;
        for (kind, digest) in wanted_names {
            let Some(name) = known.iter().find(|name| name.digest == digest) else { continue };
            let own = name.owner.as_deref() == Some(id);
            if !own && !wanted.allow_resting && self.rests(name) {
                return Ok(Err(Unavailable::Resting(unique(kind))));
            }
            resting_names::remove(db, &digest)?;
            if kind == Kind::Username && !own {
                let before = users::name_history(db, id)?.and_then(|history| history.username_since);
                let taken_over = Some(self.moment.latest);
                let history = NameHistory { username_since: before, username_taken_over_at: taken_over };
                users::set_name_history(db, id, history)?;
            }
        }
        Ok(Ok(()))
    }

    /// What is known of the names of these accounts, by their digests.
    pub(in crate::domain) fn known<'a>(
        &self,
        db: &mut Connection,
        accounts: impl Iterator<Item = &'a User>,
    ) -> Result<KnownNames, StoreError> {
        Ok(KnownNames::of(resting_names::among(db, &self.digests(accounts))?))
    }

    /// The same, held until the transaction ends: for one that takes names of several accounts.
    pub(in crate::domain) fn hold_known<'a>(
        &self,
        db: &mut Connection,
        accounts: impl Iterator<Item = &'a User>,
    ) -> Result<KnownNames, StoreError> {
        Ok(KnownNames::of(resting_names::hold(db, &self.digests(accounts))?))
    }

    fn digests<'a>(&self, accounts: impl Iterator<Item = &'a User>) -> Vec<String> {
        let names = accounts.flat_map(|user| Wanted::all_of(user, false).each().collect::<Vec<_>>());
        names.map(|(kind, text)| self.digest(kind, text)).collect()
    }

    /// Which name of an account that is not there yet rests, going by what is known.
    pub(in crate::domain) fn resting_in(&self, known: &KnownNames, user: &User) -> Option<Unavailable> {
        let rests = |(kind, text): &(Kind, &str)| {
            known.0.get(&self.digest(*kind, text)).is_some_and(|name| self.rests(name))
        };
        Wanted::all_of(user, false).each().find(rests).map(|(kind, _)| Unavailable::Resting(unique(kind)))
    }

    /// Whether anything is known of the names of an account.
    pub(in crate::domain) fn is_known(&self, known: &KnownNames, user: &User) -> bool {
        Wanted::all_of(user, false).each().any(|(kind, text)| known.0.contains_key(&self.digest(kind, text)))
    }

    /// Writes down that an account has a new user name from now on. That it took one from another account not long ago stays:
    /// it may come back to that one.
    pub(in crate::domain) fn begin_name(&self, db: &mut Connection, id: &str) -> Result<(), StoreError> {
        let before = users::name_history(db, id)?.and_then(|history| history.username_taken_over_at);
        let history = NameHistory {
            username_since: Some(self.moment.now),
            username_taken_over_at: before.filter(|at| *at > self.since()),
        };
        users::set_name_history(db, id, history)
    }

    /// Lets names rest that the account gives up in this transaction, its address if that is verified; says whether there is
    /// room for them.
    pub(in crate::domain) fn release(
        &self,
        db: &mut Connection,
        before: &User,
        given_up: Wanted<'_>,
    ) -> Result<bool, StoreError> {
        self.put(db, given_up, Some(&before.id))?;
        let resting = resting_names::count(db, &before.id, Kind::Username, self.since())?;
        Ok(given_up.username.is_none() || resting <= self.most_resting)
    }

    /// Lets the names of an account rest that is deleted in this transaction. Whose they were is forgotten.
    pub(in crate::domain) fn release_all(
        &self,
        db: &mut Connection,
        deleted: &User,
    ) -> Result<(), StoreError> {
        resting_names::disown(db, &deleted.id)?;
        self.put(db, Wanted::all_of(deleted, false), None)
    }

    fn put(&self, db: &mut Connection, given_up: Wanted<'_>, owner: Option<&str>) -> Result<(), StoreError> {
        let rests =
            |(kind, _): &(Kind, &str)| self.period > 0 && (*kind == Kind::Username || given_up.verified);
        for (kind, text) in given_up.each().filter(rests) {
            let (digest, owner) = (self.digest(kind, text), owner.map(str::to_owned));
            let name = RestingName {
                digest,
                kind: kind.as_str().to_owned(),
                owner,
                released_at: self.moment.latest,
            };
            resting_names::put(db, &name)?;
        }
        Ok(())
    }

    /// Ends the rest of addresses; says whether any rested.
    pub(in crate::domain) fn end_of_addresses(
        &self,
        db: &mut Connection,
        emails: &[&str],
    ) -> Result<bool, StoreError> {
        let digests: Vec<String> = emails.iter().map(|email| self.digest(Kind::Email, email)).collect();
        let known = resting_names::hold(db, &digests)?;
        for name in &known {
            resting_names::remove(db, &name.digest)?;
        }
        Ok(known.iter().any(|name| self.rests(name)))
    }
}

/// Names that were given up, as far as a batch of accounts is concerned.
#[derive(Debug, Default)]
pub(in crate::domain) struct KnownNames(HashMap<String, RestingName>);

impl KnownNames {
    fn of(names: Vec<RestingName>) -> Self {
        Self(names.into_iter().map(|name| (name.digest.clone(), name)).collect())
    }
}

impl<'a> Wanted<'a> {
    /// Everything that an account has.
    pub(in crate::domain) fn all_of(user: &'a User, allow_resting: bool) -> Self {
        Self {
            username: Some(&user.username),
            email: user.email.as_deref(),
            verified: user.email_verified,
            allow_resting,
        }
    }

    /// What `user` has and `other`, which is the same account at another time, has not.
    pub(in crate::domain) fn difference(user: &'a User, other: &User) -> Self {
        let all = Self::all_of(user, false);
        Self {
            username: all.username.filter(|_| user.username != other.username),
            email: all.email.filter(|_| user.email != other.email),
            ..all
        }
    }

    fn each(self) -> impl Iterator<Item = (Kind, &'a str)> {
        let username = self.username.map(|username| (Kind::Username, username));
        username.into_iter().chain(self.email.map(|email| (Kind::Email, email)))
    }
}

fn unique(kind: Kind) -> Unique {
    match kind {
        Kind::Username => Unique::Username,
        Kind::Email => Unique::Email,
    }
}
