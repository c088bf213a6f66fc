//! Reading the audit trail.

use crate::domain::accounts::operators::{NamedAccount, OperatorError, find_named};
use crate::domain::audit::{Event, EventKind};
use crate::domain::issuer::Issuer;
use crate::store::audit_events;
use crate::store::audit_events::{AuditEvent, Filter, Place};
use crate::store::error::StoreError;

/// A part of the list.
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
    /// Only events behind this one, in the order of the list.
    pub after: Option<Place>,
    /// The largest number of events.
    pub limit: u32,
}

/// One part of the list.
#[derive(Debug, Clone)]
pub struct TrailPage {
    /// The newest first.
    pub events: Vec<AuditEvent>,
    /// Where the next part begins, if there is one.
    pub next: Option<Place>,
}

/// A place as text, for clients to give back.
#[must_use]
pub fn cursor(place: &Place) -> String {
    format!("{}.{}.{}", place.occurred_at, place.position, place.chain)
}

/// The place that [`cursor`] wrote; `None` for anything else.
#[must_use]
pub fn parse_cursor(text: &str) -> Option<Place> {
    let mut parts = text.splitn(3, '.');
    let (occurred_at, position) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let chain = parts.next()?;
    let plain = !chain.is_empty() && chain.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    plain.then(|| Place { occurred_at, chain: chain.to_owned(), position })
}

impl Issuer {
    /// What happened, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_audit(&self, query: TrailQuery) -> Result<TrailPage, StoreError> {
        let TrailQuery { subject, event, since, until, after, limit } = query;
        let filter = Filter { subject, event, since, until, after };
        // One more than is shown tells whether there is a next part.
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

    /// The same for an administrator: that it was read is an event as well.
    ///
    /// # Errors
    /// The store's.
    pub async fn read_audit(&self, query: TrailQuery) -> Result<TrailPage, StoreError> {
        let page = self.list_audit(query).await?;
        self.record(Event::of(EventKind::AuditRead)).await;
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
