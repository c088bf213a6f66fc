//! `GET /admin/audit`: the audit trail, for administrators.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Query};
use serde::Deserialize;
use service_kit::paging::{List, PageSize};
use service_kit::{FieldError, Problem};

use crate::domain::audit::Trail;
use crate::domain::audit::{AuditEntry, EventKind, TrailQuery, cursor, parse_cursor};
use crate::http::error::IntoProblem;
use crate::http::request::caller::Administrator;

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
        Ok(TrailQuery { subject, event, since, until, after, limit })
    }
}

pub(in crate::http) async fn list(
    _: Administrator,
    trail: Data<Trail>,
    query: Result<Query<ListQuery>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let Query(query) = query.map_err(|_| {
        Problem::malformed_query("The query takes subject, event, since, until, cursor and limit, each once.")
    })?;
    let page = trail.read(query.check()?).await.map_err(IntoProblem::into_problem)?;
    let list = List {
        items: page.events.iter().map(AuditEntry::from).collect(),
        next: page.next.as_ref().map(cursor),
    };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(list))
}
