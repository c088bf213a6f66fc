//! Changes: one transaction with all that belongs to it, as one value.
//!
//! A use case that writes calls [`Changes::run`]. Inside, [`Change`] ends sessions, revokes what their tokens carry, and
//! collects audit events; there is no other way to do any of these (`tests/rules/architecture.rs`). What happens afterwards depends
//! on the outcome:
//!
//! | outcome | database | audit trail | status lists | reserved index |
//! | --- | --- | --- | --- | --- |
//! | the job returns `Ok`, and it is committed | all of it | what [`Change::record`] collected | published, if anything was revoked | kept if [`Change::keep`] was called, else returned |
//! | the job returns an error | none of it | what [`Change::record_refusal`] collected | – | returned |
//! | the store cannot say whether it was committed | unknown | nothing | published, in case it was | not used again once it was kept |
//! | the process is killed | all or nothing | nothing | other replicas and the next start publish what is stored | lost |
//!
//! A client that hangs up changes nothing about this: a change that has begun goes on to its end in a task of its own, and
//! the audit trail is closed only after it.

use std::sync::Arc;

use crate::domain::audit::{Audit, AuditContext, Event};
use crate::domain::clock::{DatabaseClock, Moment};
use crate::domain::keyring::{Keyring, MOST_LEEWAY};
use crate::domain::status_lists::status_index::StatusIndex;
use crate::domain::status_lists::{self, StatusLists};
use crate::store::engine::connection::Connection;
use crate::store::engine::store::Store;
use crate::store::error::StoreError;
use crate::store::sessions::{self, Session};

/// An id that no session has: for all sessions of an account without exception.
const NO_SESSION: &str = "";

/// Runs changes. Cloning it is cheap.
#[derive(Clone)]
pub struct Changes {
    store: Store,
    audit: Audit,
    lists: Arc<StatusLists>,
    keyring: Arc<Keyring>,
    clock: DatabaseClock,
}

impl Changes {
    /// Creates the runner over what a change touches.
    #[must_use]
    pub fn new(
        store: Store,
        audit: Audit,
        lists: Arc<StatusLists>,
        keyring: Arc<Keyring>,
        clock: DatabaseClock,
    ) -> Self {
        Self { store, audit, lists, keyring, clock }
    }

    /// Runs `job` in one transaction, with the consequences that the module describes.
    ///
    /// # Errors
    /// The job's own, after which nothing was stored; or the store's, after which the outcome is unknown.
    pub async fn run<T, E>(
        &self,
        job: impl FnOnce(&mut Change<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let moment = self.clock.moment();
        let until = self.revoked_until(moment);
        let (store, audit, lists) = (self.store.clone(), self.audit.clone(), Arc::clone(&self.lists));
        let work = Box::pin(async move {
            let write = move |db: &mut Connection| Change::new(db, moment, until).run(job);
            let (result, consequences) = match store.write(write).await {
                Ok((value, consequences)) => (Ok(value), consequences),
                Err(Undone::Refused(error, consequences)) => (Err(error), consequences),
                Err(Undone::Unknown(error)) => (Err(error.into()), Consequences::of_unknown_outcome()),
            };
            consequences.take_effect(&audit, &lists).await;
            result
        });
        let done = self.audit.run_to_completion(work).await;
        done.unwrap_or_else(|| Err(StoreError::Query("a write panicked".to_owned()).into()))
    }

    /// Reserves a status list index for a new session or client. Unless a change [keeps](Change::keep) it, it can be given to
    /// another.
    ///
    /// # Errors
    /// The store's, when this process has to lease more of them.
    pub async fn reserve_index(&self) -> Result<ReservedIndex, StoreError> {
        let lists = Arc::clone(&self.lists);
        Ok(ReservedIndex { index: lists.take_index().await?, lists })
    }

    /// Records an event without a change: an attempt that was refused before there was a transaction, or a token that is stored
    /// nowhere.
    pub async fn record(&self, event: Event) {
        self.audit.record(event).await;
    }

    /// Until when a revocation of this moment must be remembered: the end of the longest-lived token that could have been
    /// issued, also before the clock was put back.
    fn revoked_until(&self, moment: Moment) -> i64 {
        moment.latest.saturating_add(self.keyring.longest_access_ttl()).saturating_add(MOST_LEEWAY)
    }
}

/// A transaction that is under way.
pub struct Change<'db> {
    db: &'db mut Connection,
    moment: Moment,
    /// How long revocations are remembered, in unix seconds.
    until: i64,
    revoked: Vec<i64>,
    kept: Vec<ReservedIndex>,
    recorded: Vec<Event>,
    refusals: Vec<Event>,
    actor: Option<String>,
}

impl<'db> Change<'db> {
    fn new(db: &'db mut Connection, moment: Moment, until: i64) -> Self {
        Self {
            db,
            moment,
            until,
            revoked: Vec::new(),
            kept: Vec::new(),
            recorded: Vec::new(),
            refusals: Vec::new(),
            actor: None,
        }
    }

    fn run<T, E: From<StoreError>>(
        mut self,
        job: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<(T, Consequences), Undone<E>> {
        let outcome = job(&mut self).and_then(|value| {
            // Last in every transaction, and once, in the order of the indexes: so no two transactions wait for each other.
            status_lists::revoke(self.db, &mut self.revoked, self.until)?;
            Ok(value)
        });
        let Self { revoked, kept, recorded, refusals, actor, .. } = self;
        match outcome {
            Ok(value) => {
                kept.into_iter().for_each(ReservedIndex::forget);
                Ok((value, Consequences { publish: !revoked.is_empty(), events: recorded, actor }))
            }
            Err(error) => {
                Err(Undone::Refused(error, Consequences { publish: false, events: refusals, actor }))
            }
        }
    }

    /// The connection, for the queries of one table (`store/…`).
    pub fn db(&mut self) -> &mut Connection {
        self.db
    }

    /// The time of the whole change, in unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.moment.now
    }

    /// Ends a session and revokes its access tokens; `None` when it has ended before.
    ///
    /// # Errors
    /// The store's.
    pub fn end_session(&mut self, id: &str) -> Result<Option<Session>, StoreError> {
        let ended = sessions::end(self.db, id, self.moment.now)?;
        self.revoke(ended.as_ref().and_then(|session| session.status_index));
        Ok(ended)
    }

    /// Ends every session of an account but `kept`; returns how many ended. The caller holds the account, so that no session
    /// begins meanwhile.
    ///
    /// # Errors
    /// The store's.
    pub fn end_sessions_of(&mut self, user_id: &str, kept: Option<&str>) -> Result<usize, StoreError> {
        let ended = sessions::end_all(self.db, user_id, kept.unwrap_or(NO_SESSION), self.moment.now)?;
        let count = ended.len();
        self.revoke(ended.into_iter().flatten());
        Ok(count)
    }

    /// Revokes the access tokens of these accounts' sessions. The sessions go on: their next refresh gives them another index.
    ///
    /// # Errors
    /// The store's.
    pub fn revoke_tokens_of(&mut self, user_ids: &[&str]) -> Result<(), StoreError> {
        if !user_ids.is_empty() {
            let indexes = sessions::drop_status_indexes(self.db, user_ids)?;
            self.revoke(indexes.into_iter().flatten());
        }
        Ok(())
    }

    /// Revokes every token with one of these indexes, at the end of the transaction.
    pub fn revoke(&mut self, indexes: impl IntoIterator<Item = i64>) {
        self.revoked.extend(indexes);
    }

    /// Says that what is stored has this index: it is never given to another.
    pub fn keep(&mut self, index: ReservedIndex) {
        self.kept.push(index);
    }

    /// Records an event once the change is committed.
    pub fn record(&mut self, event: Event) {
        self.recorded.push(event);
    }

    /// Records an event if the job returns an error.
    pub fn record_refusal(&mut self, event: Event) {
        self.refusals.push(event);
    }

    /// Names the user or client that has proven who it is within this change: the actor of its events, unless one is known.
    pub fn proven(&mut self, actor: &str) {
        self.actor = Some(actor.to_owned());
    }
}

/// A status list index that no other session or client has. One that is dropped can be given to another.
pub struct ReservedIndex {
    index: Option<StatusIndex>,
    lists: Arc<StatusLists>,
}

impl ReservedIndex {
    /// Returns the index as it is stored; `None` when tokens carry no status.
    #[must_use]
    pub fn get(&self) -> Option<i64> {
        self.index.map(i64::from)
    }

    fn forget(mut self) {
        self.index = None;
    }
}

impl Drop for ReservedIndex {
    fn drop(&mut self) {
        if let Some(index) = self.index {
            self.lists.give_back(index);
        }
    }
}

/// Why a transaction was not committed, or may not have been.
enum Undone<E> {
    /// The job said so.
    Refused(E, Consequences),
    /// The store failed, perhaps after the commit.
    Unknown(StoreError),
}

impl<E> From<StoreError> for Undone<E> {
    fn from(error: StoreError) -> Self {
        Self::Unknown(error)
    }
}

/// What follows a transaction.
struct Consequences {
    publish: bool,
    events: Vec<Event>,
    actor: Option<String>,
}

impl Consequences {
    fn of_unknown_outcome() -> Self {
        Self { publish: true, events: Vec::new(), actor: None }
    }

    async fn take_effect(self, audit: &Audit, lists: &StatusLists) {
        if self.publish {
            lists.publish();
        }
        if let Some(actor) = &self.actor {
            AuditContext::proven(actor);
        }
        for event in self.events {
            audit.record(event).await;
        }
    }
}
