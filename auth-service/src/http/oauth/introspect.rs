//! `POST /introspect` (RFC 7662): for services that cannot verify locally.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde::Serialize;
use shared_claims::claims::Claims;

use crate::domain::clients::Clients;
use crate::domain::tokens::introspect::Introspection;
use crate::http::error::IntoProblem;
use crate::http::oauth::client::{Authorization, require};
use crate::http::oauth::error::OAuthError;
use crate::http::oauth::parameters::Parameters;

/// RFC 7662 section 2.2. The answer about an inactive token has no other member.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Inactive {
        active: bool,
    },
    Active {
        active: bool,
        token_type: &'static str,
        #[serde(flatten)]
        claims: &'a Claims,
    },
}

pub(in crate::http) async fn introspect(
    clients: Data<Clients>,
    introspection: Data<Introspection>,
    authorization: Authorization,
    mut parameters: Parameters,
) -> Result<HttpResponse, OAuthError> {
    let client = require(&clients, &authorization, &mut parameters).await?;
    let token = parameters.secret("token").ok_or_else(|| OAuthError::missing("token"))?;
    let found = introspection.introspect(&client, &token).await.map_err(IntoProblem::into_problem)?;
    let answer = match &found {
        None => Answer::Inactive { active: false },
        Some(claims) => Answer::Active { active: true, token_type: "Bearer", claims },
    };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(answer))
}
