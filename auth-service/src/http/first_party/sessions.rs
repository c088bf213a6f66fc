//! `/me/sessions`: lists the sessions of an account, and ends them (OWASP ASVS 5, 7.5.2).

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Path, Query};
use serde::{Deserialize, Serialize};
use service_kit::paging::{List, PageSize};
use service_kit::{FieldError, Problem};

use crate::domain::sessions::session::Sessions;
use crate::domain::sessions::view::SessionView;
use crate::http::browser::cookies::CookieMode;
use crate::http::browser::token_response::TokenTransport;
use crate::http::error::IntoProblem;
use crate::http::request::caller::AccountHolder;

const PAGE_SIZE: PageSize = PageSize { default: 50, max: 200 };
/// The length of a session's id, which is the cursor.
const ID_BYTES: usize = 36;

/// `?cursor=&limit=`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ListQuery {
    #[serde(default)]
    cursor: String,
    limit: Option<u32>,
}

/// A part of the list: `limit` sessions after the one with the id `after`.
struct Part {
    after: String,
    limit: u32,
}

impl ListQuery {
    fn check(self) -> Result<Part, Problem> {
        let mut errors = Vec::new();
        let limit = PAGE_SIZE.check(self.limit, &mut errors);
        if !(self.cursor.is_empty() || is_id(&self.cursor)) {
            errors.push(FieldError::new("cursor", "not_allowed", "This is not what `next` has said."));
        }
        if errors.is_empty() { Ok(Part { after: self.cursor, limit }) } else { Err(Problem::invalid(errors)) }
    }
}

fn is_id(text: &str) -> bool {
    text.len() == ID_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    created_at: i64,
    last_used_at: i64,
    ip: Option<&'a str>,
    user_agent: Option<&'a str>,
    current: bool,
}

impl<'a> Item<'a> {
    fn new(session: SessionView<'a>, current: &str) -> Self {
        let SessionView { id, created_at, last_used_at, ip, user_agent } = session;
        Self { id, created_at, last_used_at, ip, user_agent, current: id == current }
    }
}

pub(in crate::http) async fn list(
    sessions: Data<Sessions>,
    AccountHolder(caller): AccountHolder,
    query: Result<Query<ListQuery>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let Query(query) =
        query.map_err(|_| Problem::malformed_query("The query takes cursor and limit, each once."))?;
    let Part { after, limit } = query.check()?;
    let page = sessions.list_sessions(&caller, &after, limit).await.map_err(IntoProblem::into_problem)?;
    let items = page.sessions.iter().map(|session| Item::new(session.into(), &caller.session.id)).collect();
    let list = List { items, next: page.next };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(list))
}

pub(in crate::http) async fn end(
    sessions: Data<Sessions>,
    AccountHolder(caller): AccountHolder,
    transport: TokenTransport,
    cookies: Data<CookieMode>,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    let this_one = id == caller.session.id;
    // Text that cannot be an id is not looked up: a NUL in it would be an error of the database.
    let ended =
        is_id(&id) && sessions.end_own_session(&caller, id).await.map_err(IntoProblem::into_problem)?;
    if !ended {
        return Err(Problem::not_found("There is no such session."));
    }
    let answer = HttpResponse::NoContent().finish();
    Ok(if this_one { transport.clear_cookies(answer, &cookies) } else { answer })
}

pub(in crate::http) async fn end_others(
    sessions: Data<Sessions>,
    AccountHolder(caller): AccountHolder,
) -> Result<HttpResponse, Problem> {
    sessions.end_other_sessions(&caller).await.map_err(IntoProblem::into_problem)?;
    Ok(HttpResponse::NoContent().finish())
}
