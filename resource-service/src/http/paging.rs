//! Lists in pages: `?limit=` and `?cursor=` in, `{"items": […], "next": cursor or null}` out.
//!
//! The cursor is the id of the last item of the page before, which is nobody's business but ours.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::Query;
use actix_web::{FromRequest, HttpRequest};
use serde::{Deserialize, Serialize};
use service_kit::{FieldError, Problem};
use uuid::Uuid;

const DEFAULT_LIMIT: u8 = 50;
const MAX_LIMIT: u8 = 100;

/// Which part of a list is asked for. Other parameters of the query are not its business.
pub(super) struct Page {
    /// Only items older than the one with this id.
    pub(super) before: Option<String>,
    limit: u8,
}

/// One page of a list.
#[derive(Serialize)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    /// The `cursor` of the next page.
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
struct Parameters {
    limit: Option<String>,
    cursor: Option<String>,
}

impl Page {
    /// How many rows to read: one more than the page holds, which tells whether there is a next page.
    pub(super) fn rows(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Cuts off that one row. Gives the last one that stays, if there was more.
    pub(super) fn cut<'a, R>(&self, rows: &'a mut Vec<R>) -> Option<&'a R> {
        let limit = usize::from(self.limit);
        let more = rows.len() > limit;
        rows.truncate(limit);
        rows.last().filter(|_| more)
    }

    fn parse(query: &str) -> Result<Self, Problem> {
        let Query(Parameters { limit, cursor }) = Query::from_query(query).map_err(|error| Problem {
            code: "malformed_query",
            ..Problem::malformed(format!("The query cannot be read: {error}."))
        })?;
        let mut errors = Vec::new();
        let limit = limit
            .map_or(Some(DEFAULT_LIMIT), |limit| limit.parse().ok())
            .filter(|limit| (1..=MAX_LIMIT).contains(limit));
        if limit.is_none() {
            let message = format!("The limit must be a number from 1 to {MAX_LIMIT}.");
            errors.push(FieldError::new("limit", "out_of_range", message));
        }
        let before = cursor.map(|cursor| Uuid::try_parse(&cursor)).transpose();
        if before.is_err() {
            errors.push(FieldError::new(
                "cursor",
                "unknown_cursor",
                "The cursor must be the `next` of a list.",
            ));
        }
        match (limit, before) {
            (Some(limit), Ok(before)) => Ok(Self { limit, before: before.map(|id| id.to_string()) }),
            _ => Err(Problem {
                detail: "Some parameters of the query are not valid.".into(),
                ..Problem::invalid(errors)
            }),
        }
    }
}

impl FromRequest for Page {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(req.query_string()))
    }
}
