//! Accounts that another system had, with their password hashes. Nothing is hashed here: a hash is read, judged and stored,
//! and renewed when its owner first logs in.
//!
//! `formats` reads files; [`Accounts::import`](crate::domain::accounts::use_cases::Accounts::import) stores what was read, a batch in one transaction.

pub mod formats;
mod known;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::domain::accounts::use_cases::Accounts;
use crate::domain::tokens::access_token::Tokens;
use crate::domain::tokens::size::TokenTooLarge;

pub use known::Rehearsal;
use known::{Earlier, Known};

use crate::domain::accounts::addresses::parse_email;
use crate::domain::accounts::names::{KnownNames, Rest, Unavailable, Wanted};
use crate::domain::accounts::operators::{revoke_tokens_of, take_unproven_addresses};
use crate::domain::accounts::roles;
use crate::domain::accounts::roles::is_role_name;
use crate::domain::accounts::usernames::parse_username;
use crate::domain::audit::{Event, EventKind};
use crate::domain::change::Change;
use crate::domain::invalid::Invalid;
use crate::domain::random;
use crate::store::engine::connection::Connection;
use crate::store::error::{StoreError, Unique};
use crate::store::stand_ins;
use crate::store::users;
use crate::store::users::User;

/// How many accounts should be stored in one transaction: enough to be quick, few enough for logins to go on beside it.
pub const BATCH: usize = 500;
/// How often a batch is tried when others take names at the same moment.
const TRIES: usize = 5;

/// An account as somebody else had it; not checked yet.
#[derive(Clone, Default)]
pub struct Import {
    /// Follows the rules of registration, but for reserved names.
    pub username: String,
    /// Says of itself how it was made.
    pub password_hash: String,
    /// Follows the rules of registration.
    pub email: Option<String>,
    /// Whether the owner has shown that the address is theirs.
    pub email_verified: bool,
    /// Their names here.
    pub roles: Vec<String>,
    /// Such an account cannot log in.
    pub disabled: bool,
}

/// What became of one account.
#[derive(Debug)]
pub enum Outcome {
    /// It is there now (in a dry run: it would be), with a hash of this kind.
    Created(&'static str),
    /// It was there, with this very hash: an import that broke off can be started again.
    Present(&'static str),
    /// It breaks these rules, or its name is taken.
    Refused(Vec<Invalid>),
}

/// What became of all of them.
#[derive(Debug, Default)]
pub struct Report {
    /// How many are there now.
    pub created: u64,
    /// How many were there with the same hash.
    pub present: u64,
    /// How many were not taken.
    pub refused: u64,
    /// How many of the first two, by the kind of their hash.
    pub kinds: BTreeMap<&'static str, u64>,
    /// How many of the third, by the first rule that they break: the field and the code.
    pub refusals: BTreeMap<(&'static str, &'static str), u64>,
}

impl Report {
    /// Counts one more.
    pub fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Created(kind) => {
                self.created += 1;
                *self.kinds.entry(kind).or_default() += 1;
            }
            Outcome::Present(kind) => {
                self.present += 1;
                *self.kinds.entry(kind).or_default() += 1;
            }
            Outcome::Refused(mistakes) => {
                self.refused += 1;
                if let Some(first) = mistakes.first() {
                    *self.refusals.entry((first.field, first.code)).or_default() += 1;
                }
            }
        }
    }
}

/// What was read, or why nothing could be made of it.
pub type Read = Result<Import, Vec<Invalid>>;

/// Returns what would keep an account that is imported with roles from logging in: its token would be too long.
#[must_use]
pub fn size_warning(tokens: &Tokens, account: &Read) -> Option<TokenTooLarge> {
    let account = account.as_ref().ok().filter(|account| !account.roles.is_empty())?;
    tokens.size_warning_for(&account.username, account.email.as_deref(), &account.roles)
}

impl Accounts {
    /// Stores a batch of accounts in one transaction; the outcomes stand in the order of the batch. With a rehearsal, which
    /// is the same one for every batch of a dry run, nothing is stored.
    ///
    /// # Errors
    /// The store's: then none of the batch was stored, or it is not known whether.
    pub async fn import(
        &self,
        batch: Vec<Read>,
        rehearsal: Option<&mut Rehearsal>,
    ) -> Result<Vec<Outcome>, StoreError> {
        self.import_with(batch, rehearsal, false).await
    }

    /// The same; with `allow_resting`, names and addresses that rest for a former owner are taken.
    ///
    /// # Errors
    /// As [`Self::import`].
    pub async fn import_with(
        &self,
        batch: Vec<Read>,
        rehearsal: Option<&mut Rehearsal>,
        allow_resting: bool,
    ) -> Result<Vec<Outcome>, StoreError> {
        let checked: Vec<Checked> =
            batch.into_iter().map(|read| read.and_then(|import| self.check_import(import))).collect();
        if let Some(rehearsal) = rehearsal {
            return self.rehearse_batch(checked, rehearsal, allow_resting).await;
        }
        let checked = Arc::new(checked);
        for _ in 1..TRIES {
            // Somebody who registers or renames at the same moment may take a name; the next look sees it.
            match self.store_batch(Arc::clone(&checked), allow_resting).await {
                Err(StoreError::Conflict(_)) => {}
                done => return done,
            }
        }
        self.store_batch(checked, allow_resting).await
    }

    async fn store_batch(
        &self,
        batch: Arc<Vec<Checked>>,
        allow_resting: bool,
    ) -> Result<Vec<Outcome>, StoreError> {
        let rest = self.names.rest();
        let of_other_kinds: HashSet<String> = batch
            .iter()
            .flatten()
            .filter(|(user, _)| !self.hasher.makes_such(&user.password_hash))
            .map(|(user, _)| user.id.clone())
            .collect();
        let store = move |change: &mut Change<'_>| {
            let db = change.db();
            users::will_insert_several(db)?;
            let mut new = Vec::new();
            let store = |_: &mut Connection, user: &User| {
                new.push(user.clone());
                Ok(None)
            };
            let outcomes = settle(db, &batch, (&rest, allow_resting), store)?;
            // For all lines together, one kind of rows after the other: the order of locks.
            let losers = take_unproven_addresses(db, &new)?;
            let mut displaced = leave_unproven_addresses(&mut new);
            displaced.extend(losers.iter().map(|loser| loser.id.clone()));
            new.iter().try_for_each(|user| users::insert_one_of_several(db, user))?;
            revoke_tokens_of(change, &losers)?;
            if new.iter().any(|user| of_other_kinds.contains(&user.id)) {
                // Hashes of another kind have come: names without an account are to be like those with one.
                stand_ins::forget_all(change.db())?;
            }
            take_names(change.db(), &rest, &new, allow_resting)?;
            for event in imported(&outcomes, &displaced, &batch) {
                change.record(event);
            }
            Ok(outcomes)
        };
        self.changes.run(store).await
    }

    async fn rehearse_batch(
        &self,
        batch: Vec<Checked>,
        rehearsal: &mut Rehearsal,
        allow_resting: bool,
    ) -> Result<Vec<Outcome>, StoreError> {
        let (mut so_far, rest) = (std::mem::take(rehearsal), self.names.rest());
        let settled = self.store.read(move |db| {
            let take = |_: &mut Connection, user: &User| Ok(so_far.take(user));
            let outcomes = settle(db, &batch, (&rest, allow_resting), take)?;
            Ok::<_, StoreError>((outcomes, so_far))
        });
        let (outcomes, so_far) = settled.await?;
        *rehearsal = so_far;
        Ok(outcomes)
    }

    fn check_import(&self, import: Import) -> Checked {
        let mut mistakes = Vec::new();
        let mut note = |invalid: Invalid| mistakes.push(invalid);
        let username = parse_username(&import.username).map_err(&mut note).ok();
        let email = import.email.as_deref().map(parse_email).transpose().map_err(&mut note).ok();
        let kind = self.hasher.kind_of(&import.password_hash).map_err(|reason| {
            note(Invalid { field: "password_hash", code: reason.code(), message: reason.to_string() });
        });
        if !import.roles.iter().all(|role| is_role_name(role)) {
            let message = "A role has 1 to 64 letters, digits, `.`, `_`, `:`, `-`.".to_owned();
            note(Invalid { field: "roles", code: "not_allowed", message });
        }
        let (Some(username), Some(email), Ok(kind), []) = (username, email, kind, &mistakes[..]) else {
            return Err(mistakes);
        };
        let user = User {
            id: random::id(),
            username,
            email_verified: import.email_verified && email.is_some(),
            email,
            password_hash: import.password_hash,
            roles: roles::changed("", &import.roles, &[]),
            disabled: import.disabled,
            auth_version: 0,
            created_at: self.clock.now(),
        };
        Ok((user, kind))
    }
}

/// What the audit trail says about a batch: how many, because there may be millions; each account that got a role, and each
/// that lost an address.
fn imported(outcomes: &[Outcome], displaced: &[String], batch: &[Checked]) -> Vec<Event> {
    let mut report = Report::default();
    for outcome in outcomes {
        report.count(outcome);
    }
    let event = Event::of(EventKind::UsersImported).with("created", report.created);
    let event = event.with("present", report.present).with("refused", report.refused);
    let mut events: Vec<Event> =
        displaced.iter().map(|id| Event::email_freed(id, "verified_elsewhere")).collect();
    events.push(event);
    let created = outcomes.iter().zip(batch).filter(|(outcome, _)| matches!(outcome, Outcome::Created(_)));
    let with_roles = created.filter_map(|(_, checked)| checked.as_ref().ok()).map(|(user, _)| user);
    events.extend(with_roles.filter(|user| !user.roles.is_empty()).map(|user| {
        let event = Event::of(EventKind::RoleChanged).to(&user.id).with("roles", user.roles.as_str());
        event.with("before", "")
    }));
    events
}

/// Within a batch, an address that is not verified gives way to a later line for which it is: the ids of the accounts that come
/// without.
fn leave_unproven_addresses(new: &mut [User]) -> Vec<String> {
    let verified = new.iter().filter(|user| user.email_verified).filter_map(|user| user.email.clone());
    let verified: HashSet<String> = verified.collect();
    let gives_way = |user: &&mut User| {
        !user.email_verified && user.email.as_ref().is_some_and(|email| verified.contains(email))
    };
    let leave = |user: &mut User| {
        user.email = None;
        user.id.clone()
    };
    new.iter_mut().filter(gives_way).map(leave).collect()
}

/// Takes the names of accounts that were stored in this transaction. One that began to rest meanwhile is a conflict: the
/// next try sees it.
fn take_names(
    db: &mut Connection,
    rest: &Rest,
    stored: &[User],
    allow_resting: bool,
) -> Result<(), StoreError> {
    let known = rest.hold_known(db, stored.iter())?;
    for user in stored.iter().filter(|user| rest.is_known(&known, user)) {
        let taken = rest.take(db, &user.id, Wanted::all_of(user, allow_resting))?;
        taken.map_err(|unavailable| StoreError::Conflict(unavailable.what()))?;
    }
    Ok(())
}

type Checked = Result<(User, &'static str), Vec<Invalid>>;

/// `store` stores an account that is not there yet, or says why it is not new after all.
fn settle(
    db: &mut Connection,
    batch: &[Checked],
    (rest, allow_resting): (&Rest, bool),
    mut store: impl FnMut(&mut Connection, &User) -> Result<Option<Earlier>, StoreError>,
) -> Result<Vec<Outcome>, StoreError> {
    let users = || batch.iter().flatten().map(|(user, _)| user);
    let names: Vec<&str> = users().map(|user| user.username.as_str()).collect();
    let emails: Vec<&str> = users().filter_map(|user| user.email.as_deref()).collect();
    let mut known = Known::default();
    for user in users::named(db, &names, &emails)? {
        known.add(user);
    }
    let given_up = if allow_resting { KnownNames::default() } else { rest.known(db, users())? };
    let one = |checked: &Checked| {
        let (user, kind) = match checked {
            Ok((user, kind)) => (user, *kind),
            Err(mistakes) => return Ok(Outcome::Refused(mistakes.clone())),
        };
        let earlier = match known.look(user) {
            None => match rest.resting_in(&given_up, user) {
                Some(unavailable) => return Ok(resting(unavailable)),
                None => store(db, user)?,
            },
            found => found,
        };
        Ok(match earlier {
            None => {
                known.add(user.clone());
                Outcome::Created(kind)
            }
            Some(Earlier::Same) => Outcome::Present(kind),
            Some(Earlier::Name) => taken("username", "There is an account of this name, with another hash."),
            Some(Earlier::Address) => taken("email", "There is an account with this address."),
        })
    };
    batch.iter().map(one).collect()
}

fn taken(field: &'static str, message: &str) -> Outcome {
    Outcome::Refused(vec![Invalid { field, code: "taken", message: message.to_owned() }])
}

fn resting(unavailable: Unavailable) -> Outcome {
    let field = if unavailable.what() == Unique::Email { "email" } else { "username" };
    let message =
        "It was another account's until recently, and rests. `auth-service import --allow-resting` takes it.";
    Outcome::Refused(vec![Invalid { field, code: "resting", message: message.to_owned() }])
}
