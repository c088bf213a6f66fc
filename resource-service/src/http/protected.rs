//! `GET /protected`: the smallest protected route. The parameter `token` is all that it needs.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use serde::Serialize;
use shared_claims::AccessToken;

#[derive(Serialize)]
struct Welcome<'a> {
    message: String,
    sub: &'a str,
    username: &'a str,
    roles: &'a [String],
    scope: &'a str,
    /// Unix seconds.
    expires_at: u64,
}

pub(super) async fn protected(token: AccessToken) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Welcome {
        message: format!("Welcome, {}!", token.name()),
        sub: &token.sub,
        username: token.name(),
        roles: &token.roles,
        scope: &token.scope,
        expires_at: token.exp,
    })
}
