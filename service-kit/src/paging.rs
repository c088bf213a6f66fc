//! Lists in pages: `?limit=` and `?cursor=` in, `{"items": […], "next": cursor or null}` out.

use serde::Serialize;

use crate::problem::FieldError;

/// A page of a list.
#[derive(Debug, Serialize)]
pub struct List<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// The `cursor` of the next page; `None` for the last page.
    pub next: Option<String>,
}

/// How many items a page of a list has.
#[derive(Debug, Clone, Copy)]
pub struct PageSize {
    /// Without `limit` in the query.
    pub default: u32,
    /// The largest `limit`.
    pub max: u32,
}

impl PageSize {
    /// Returns the number of items to answer with. A limit that is out of range is added to `errors`.
    pub fn check(self, limit: Option<u32>, errors: &mut Vec<FieldError>) -> u32 {
        let Self { default, max } = self;
        let limit = limit.unwrap_or(default);
        if !(1..=max).contains(&limit) {
            let message = format!("The limit must be a number from 1 to {max}.");
            errors.push(FieldError::new("limit", "out_of_range", message));
        }
        limit
    }
}

/// Cuts off the rows beyond a page of `limit` items. Returns the last row of the page if there were more.
///
/// A page is read with one row more than it has items ([`rows_to_read`]), so that this knows whether there is a next page.
pub fn cut<R>(rows: &mut Vec<R>, limit: u32) -> Option<&R> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    rows.last().filter(|_| has_more)
}

/// Returns how many rows to read for a page of `limit` items.
#[must_use]
pub fn rows_to_read(limit: u32) -> i64 {
    i64::from(limit) + 1
}
