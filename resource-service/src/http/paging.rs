//! The page of a list that a request selects. The cursor is the id of the last item of the previous page; clients do not
//! interpret it.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::Query;
use actix_web::{FromRequest, HttpRequest};
use serde::Deserialize;
use service_kit::paging::{self, PageSize};
use service_kit::{FieldError, Problem};
use uuid::Uuid;

const PAGE_SIZE: PageSize = PageSize { default: 50, max: 100 };

/// A page of a list. Other parameters of the query are ignored.
pub(super) struct Page {
    /// Only items older than the one with this id.
    pub(super) before: Option<String>,
    limit: u32,
}

#[derive(Deserialize)]
struct Parameters {
    limit: Option<String>,
    cursor: Option<String>,
}

impl Page {
    /// Returns how many rows to read.
    pub(super) fn rows(&self) -> i64 {
        paging::rows_to_read(self.limit)
    }

    /// Cuts off the rows beyond the page. Returns the last row of the page if there were more.
    pub(super) fn cut<'a, R>(&self, rows: &'a mut Vec<R>) -> Option<&'a R> {
        paging::cut(rows, self.limit)
    }

    fn parse(query: &str) -> Result<Self, Problem> {
        let Query(Parameters { limit, cursor }) = Query::from_query(query)
            .map_err(|error| Problem::malformed_query(format!("The query cannot be read: {error}.")))?;
        let mut errors = Vec::new();
        let limit = limit.map(|limit| limit.parse().unwrap_or_default()); // 0 is out of range, as a word is
        let limit = PAGE_SIZE.check(limit, &mut errors);
        let before = cursor.map(|cursor| Uuid::try_parse(&cursor)).transpose();
        let before = before.unwrap_or_else(|_| {
            let message = "The cursor must be the `next` of a list.";
            errors.push(FieldError::new("cursor", "unknown_cursor", message));
            None
        });
        if errors.is_empty() {
            return Ok(Self { limit, before: before.map(|id| id.to_string()) });
        }
        let detail = "Some parameters of the query are not valid.".into();
        Err(Problem { detail, ..Problem::invalid(errors) })
    }
}

impl FromRequest for Page {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(req.query_string()))
    }
}
