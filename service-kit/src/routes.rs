//! Builders for route tables: a path and its methods. Other paths and methods are answered as RFC 9110 says.

use std::future::{Ready, ready};

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, HeaderValue};
use actix_web::middleware::DefaultHeaders;
use actix_web::{
    FromRequest, Handler, HttpResponse, Resource, Responder, ResponseError as _, Route, guard, web,
};

use crate::problem::Problem;

/// A path of a route table: `path("/me").get(show).delete(remove)`. Any other method is answered with `405` and `Allow`
/// (RFC 9110 section 15.5.6).
pub struct Path {
    resource: Resource,
    allow: Vec<&'static str>,
    for_any_page: bool,
}

/// Starts a path, in actix's notation (`/books/{id}`).
pub fn path(path: impl Into<String>) -> Path {
    Path { resource: web::resource(path.into()), allow: Vec::new(), for_any_page: false }
}

impl Path {
    /// Handles `GET`, and `HEAD` as RFC 9110 section 9.3.2 requires.
    #[must_use]
    pub fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let get_or_head = web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
        self.route(&["GET", "HEAD"], get_or_head.to(handler))
    }

    /// Handles `POST`.
    #[must_use]
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(&["POST"], web::post().to(handler))
    }

    /// Handles `PUT`.
    #[must_use]
    pub fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(&["PUT"], web::put().to(handler))
    }

    /// Handles `PATCH`.
    #[must_use]
    pub fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(&["PATCH"], web::patch().to(handler))
    }

    /// Handles `DELETE`.
    #[must_use]
    pub fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(&["DELETE"], web::delete().to(handler))
    }

    /// Lets pages of any origin read the answers, without cookies (Fetch standard, section 3.3). For public answers; all other
    /// paths are readable by the origins in [`Cors`](crate::Cors) only.
    #[must_use]
    pub fn for_any_page(self) -> Self {
        Self { for_any_page: true, ..self }
    }

    fn route(mut self, methods: &[&'static str], route: Route) -> Self {
        self.allow.extend(methods);
        Self { resource: self.resource.route(route), ..self }
    }
}

impl HttpServiceFactory for Path {
    fn register(self, config: &mut AppService) {
        let allow = self.allow.join(", ");
        let refuse = move || ready(method_not_allowed(&allow));
        let resource = self.resource.default_service(web::route().to(refuse));
        if self.for_any_page {
            resource.wrap(DefaultHeaders::new().add((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))).register(config);
        } else {
            resource.register(config);
        }
    }
}

fn method_not_allowed(allow: &str) -> HttpResponse {
    let detail = format!("This path takes {allow}.");
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
    let allow = HeaderValue::from_str(allow).unwrap_or(HeaderValue::from_static(""));
    problem.with_header(ALLOW, allow).error_response()
}

/// Handler for every path that does not exist: `404`.
///
/// # Errors
/// Always.
pub fn nowhere() -> Ready<Result<HttpResponse, Problem>> {
    ready(Err(Problem::not_found("There is nothing at this path.")))
}
