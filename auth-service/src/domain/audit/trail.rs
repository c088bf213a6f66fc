//! Reading of the audit trail.

use crate::domain::audit::event::{Event, EventKind};
use crate::domain::audit::recorder::Audit;
use crate::domain::keyring::AuditKeys;
use crate::store::audit_events;
use crate::store::audit_events::{AuditEvent, Filter, Place};
use crate::store::engine::store::Store;
use crate::store::error::StoreError;

/// A query for one page.
#[derive(Debug, Clone, Default)]
pub struct TrailQuery {
    /// Only events with this subject.
    pub subject: Option<String>,
    /// Only events of this name.
    pub event: Option<String>,
    /// Only events from this time on, in unix seconds.
    pub since: Option<i64>,
    /// Only events up to this time, in unix seconds.
    pub until: Option<i64>,
    /// Only events after this one, in the order of the list.
    pub after: Option<Place>,
    /// The largest number of events.
    pub limit: u32,
}

/// One page.
#[derive(Debug, Clone)]
pub struct TrailPage {
    /// The newest first.
    pub events: Vec<AuditEvent>,
    /// Where the next page begins, if there is one.
    pub next: Option<Place>,
}

/// Writes a place as a cursor, for clients to send back.
#[must_use]
pub fn cursor(place: &Place) -> String {
    format!("{}.{}.{}", place.occurred_at, place.position, place.chain)
}

/// Reads a cursor; `None` for anything that [`cursor`] did not write.
#[must_use]
pub fn parse_cursor(text: &str) -> Option<Place> {
    let mut parts = text.splitn(3, '.');
    let (occurred_at, position) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let chain = parts.next()?;
    let plain = !chain.is_empty() && chain.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    plain.then(|| Place { occurred_at, chain: chain.to_owned(), position })
}

/// Reads the audit trail, and deletes what is old.
pub struct Trail {
    pub(super) store: Store,
    pub(super) keys: AuditKeys,
    pub(super) audit: Audit,
}

impl Trail {
    /// Creates a reader of the trail that `audit` writes.
    #[must_use]
    pub fn new(store: Store, keys: AuditKeys, audit: Audit) -> Self {
        Self { store, keys, audit }
    }

    /// Returns one page of events, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, query: TrailQuery) -> Result<TrailPage, StoreError> {
        let TrailQuery { subject, event, since, until, after, limit } = query;
        let filter = Filter { subject, event, since, until, after };
        // One row more than is shown tells whether there is a next page.
        let most = i64::from(limit) + 1;
        let mut events = self.store.read(move |db| audit_events::page(db, &filter, most)).await?;
        let more = events.len() > limit as usize;
        events.truncate(limit as usize);
        let place = |row: &AuditEvent| Place {
            occurred_at: row.occurred_at,
            chain: row.chain.clone(),
            position: row.position,
        };
        let next = events.last().filter(|_| more).map(place);
        Ok(TrailPage { events, next })
    }

    /// Returns one page to an administrator. That it was read is an event as well.
    ///
    /// # Errors
    /// The store's.
    pub async fn read(&self, query: TrailQuery) -> Result<TrailPage, StoreError> {
        let page = self.list(query).await?;
        self.audit.record(Event::of(EventKind::AuditRead)).await;
        Ok(page)
    }

    /// The account that an operator calls by a user name, whose id the trail knows; `None` when none is called so: then it is
    /// an id already.
    ///
    /// # Errors
    /// [`OperatorError::ChangedHands`] when the name does not say which account is meant.
    pub async fn audit_subject(&self, called: &str) -> Result<Option<NamedAccount>, OperatorError> {
        let (called, since) = (called.to_owned(), self.names.rest().since());
        self.store.read(move |db| find_named(db, &called, since)).await
    }
}
