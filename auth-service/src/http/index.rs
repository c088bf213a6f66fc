//! `GET /`: the name of the service and links to its descriptions. `GET /docs`: the API documentation.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde::Serialize;

use crate::domain::policy::Policy;

/// Every route, field and error code; `tests/rules/api_page.rs` compares it with the route table.
const PAGE: &str = include_str!("../../../docs/api.md");

#[derive(Serialize)]
struct Index<'a> {
    service: &'static str,
    issuer: &'a str,
    metadata: String,
    documentation: String,
}

pub(super) async fn index(policy: Data<Policy>) -> HttpResponse {
    let own = policy.issuer.as_str();
    let at = |path: &str| format!("{own}{path}");
    HttpResponse::Ok().json(Index {
        service: "auth-service",
        issuer: own,
        metadata: at("/.well-known/openid-configuration"),
        documentation: at("/docs"),
    })
}

pub(super) async fn docs() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/markdown; charset=utf-8")
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .body(PAGE)
}
