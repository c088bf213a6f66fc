//! `POST /revoke` (RFC 7009): the holder of a token can revoke it, and the session that it belongs to.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;

use crate::domain::clients::Clients;
use crate::domain::tokens::revoke::Revocation;
use crate::http::error::IntoProblem;
use crate::http::oauth::client::{Authorization, authenticate};
use crate::http::oauth::error::OAuthError;
use crate::http::oauth::parameters::Parameters;

/// Ignores `token_type_hint`: the form of a token shows which kind it is.
pub(in crate::http) async fn revoke(
    clients: Data<Clients>,
    revocation: Data<Revocation>,
    authorization: Authorization,
    mut parameters: Parameters,
) -> Result<HttpResponse, OAuthError> {
    let client = authenticate(&clients, &authorization, &mut parameters).await?;
    let token = parameters.secret("token").ok_or_else(|| OAuthError::missing("token"))?;
    revocation.revoke(client, &token).await.map_err(IntoProblem::into_problem)?;
    // Clients ignore the body (RFC 7009 section 2.2), but some fail without a JSON one.
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(serde_json::json!({})))
}
