//! `GET /admin/audit`: the audit trail, for administrators.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Query};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::paging::{List, PageSize};
use service_kit::{FieldError, Problem};

use crate::domain::audit::{EventKind, TrailQuery, cursor, parse_cursor};
use crate::domain::issuer::Issuer;
use crate::http::error::IntoProblem;
use crate::http::request::caller::Administrator;
use crate::store::audit_events::{AuditEvent, Filter};

const PAGE_SIZE: PageSize = PageSize { default: 50, max: 200 };
/// Longer than any id.
const MAX_SUBJECT_BYTES: usize = 128;

/// `?subject=&event=&since=&until=&cursor=&limit=`; times are unix seconds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ListQuery {
    subject: Option<String>,
    event: Option<String>,
    since: Option<i64>,
    until: Option<i64>,
    #[serde(default)]
    cursor: String,
    limit: Option<u32>,
}

impl ListQuery {
    fn check(self) -> Result<TrailQuery, Problem> {
        let Self { subject, event, since, until, cursor, limit } = self;
        let mut errors = Vec::new();
        let limit = PAGE_SIZE.check(limit, &mut errors);
        let after = parse_cursor(&cursor);
        if !cursor.is_empty() && after.is_none() {
            errors.push(FieldError::new("cursor", "not_allowed", "This is not what `next` has said."));
        }
        let is_id = |id: &String| id.len() <= MAX_SUBJECT_BYTES && !id.contains('\0');
        if subject.as_ref().is_some_and(|subject| !is_id(subject)) {
            errors.push(FieldError::new("subject", "not_allowed", "This is no id of a user or a client."));
        }
        if event.as_deref().is_some_and(|event| EventKind::named(event).is_none()) {
            errors.push(FieldError::new("event", "unknown", "There is no event of this name."));
        }
        if !errors.is_empty() {
            return Err(Problem::invalid(errors));
        }
        Ok(TrailQuery { filter: Filter { subject, event, since, until, after }, limit })
    }
}

/// An event as administrators see it. `chain` and `position` say where `auth-service audit verify` finds it.
#[derive(Serialize)]
pub(crate) struct Item<'a> {
    occurred_at: i64,
    event: &'a str,
    outcome: &'a str,
    reason: Option<&'a str>,
    actor: Option<&'a str>,
    subject: Option<&'a str>,
    session: Option<&'a str>,
    address: Option<&'a str>,
    request_id: Option<&'a str>,
    details: Option<Value>,
    chain: &'a str,
    position: i64,
}

impl<'a> From<&'a AuditEvent> for Item<'a> {
    fn from(row: &'a AuditEvent) -> Self {
        Self {
            occurred_at: row.occurred_at,
            event: &row.event,
            outcome: &row.outcome,
            reason: row.reason.as_deref(),
            actor: row.actor.as_deref(),
            subject: row.subject.as_deref(),
            session: row.session.as_deref(),
            address: row.address.as_deref(),
            request_id: row.request_id.as_deref(),
            details: row.details.as_deref().and_then(|details| serde_json::from_str(details).ok()),
            chain: &row.chain,
            position: row.position,
        }
    }
}

pub(in crate::http) async fn list(
    _: Administrator,
    issuer: Data<Issuer>,
    query: Result<Query<ListQuery>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let Query(query) = query.map_err(|_| {
        Problem::malformed_query("The query takes subject, event, since, until, cursor and limit, each once.")
    })?;
    let page = issuer.read_audit(query.check()?).await.map_err(IntoProblem::into_problem)?;
    let list =
        List { items: page.events.iter().map(Item::from).collect(), next: page.next.as_ref().map(cursor) };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(list))
}
