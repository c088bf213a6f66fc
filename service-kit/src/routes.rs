//! The vocabulary of the route tables: a path, its methods, and RFC 9110 answers for all the others.

use std::future::{Ready, ready};

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{HttpResponse, ResponseError as _, Route, guard, web};

use crate::problem::Problem;

/// A route for `GET`, and for `HEAD` as RFC 9110 section 9.3.2 asks.
#[must_use]
pub fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Answers every method that the path does not have: `405` with `Allow` (RFC 9110 section 15.5.6).
#[must_use]
pub fn only(allow: &'static str) -> Route {
    web::route().to(move || {
        let detail = format!("This path takes {allow}.");
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
        ready(problem.with_header(ALLOW, HeaderValue::from_static(allow)).error_response())
    })
}

/// Answers every path that does not exist.
///
/// # Errors
/// Always: `404`.
pub fn nowhere() -> Ready<Result<HttpResponse, Problem>> {
    ready(Err(Problem::not_found("There is nothing at this path.")))
}
