//! `POST /revoke` (RFC 7009): whoever holds a token can take it back, and what belongs to it.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;

use super::client::{Authorization, authenticate};
use super::error::IntoProblem;
use super::oauth::{OAuthError, Parameters};
use crate::domain::Issuer;

/// `token_type_hint` is only a hint, and tokens of either kind are told apart without it.
pub(super) async fn revoke(
    issuer: Data<Issuer>,
    authorization: Authorization,
    mut parameters: Parameters,
) -> Result<HttpResponse, OAuthError> {
    let client = authenticate(&issuer, &authorization, &mut parameters).await?;
    let token = parameters.secret("token").ok_or_else(|| OAuthError::missing("token"))?;
    issuer.revoke_token(client, &token).await.map_err(IntoProblem::into_problem)?;
    // Clients ignore the body (RFC 7009 section 2.2), but some fail without a JSON one.
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(serde_json::json!({})))
}
