//! `POST /login` and `POST /logout`: the first-party way into a session and out of it.

use actix_web::http::header::{CACHE_CONTROL, PRAGMA};
use actix_web::web::{self, Data};
use actix_web::{FromRequest as _, HttpRequest, HttpResponse};
use secrecy::SecretString;
use serde::Serialize;
use service_kit::{FieldError, Fields, FromFields, Problem, Strict};
use shared_claims::error::Cause;

use super::caller::bearer_token;
use super::device::DeviceOf;
use super::error::{IntoProblem, refusal};
use crate::domain::Issuer;
use crate::domain::login::LoginRequest;
use crate::domain::sessions::Grant;
use crate::store::users::Login;

/// `{username, password}` or `{email, password}`, and `resource`.
pub(super) struct LoginBody(LoginRequest);

impl FromFields for LoginBody {
    fn from_fields(fields: &mut Fields) -> Self {
        let login = match (fields.optional_string("username"), fields.optional_string("email")) {
            (Some(username), None) => Login::Username(username),
            (None, Some(email)) => Login::Email(email),
            (username, _) => {
                let code = if username.is_some() { "conflict" } else { "required" };
                fields.refuse(FieldError::new("username", code, "Either username or email is required."));
                Login::Username(String::new())
            }
        };
        if fields.flag("cookies") {
            fields.refuse(FieldError::new(
                "cookies",
                "not_supported",
                "Tokens in cookies are not built yet.",
            ));
        }
        Self(LoginRequest {
            login,
            password: fields.secret("password"),
            resource: fields.strings("resource"),
        })
    }
}

pub(super) async fn login(
    issuer: Data<Issuer>,
    DeviceOf(device): DeviceOf,
    Strict(LoginBody(request)): Strict<LoginBody>,
) -> Result<HttpResponse, Problem> {
    let grant = issuer.login(request, device).await.map_err(IntoProblem::into_problem)?;
    Ok(token_response(&grant))
}

/// `{refresh_token}`.
pub(super) struct LogoutBody(SecretString);

impl FromFields for LogoutBody {
    fn from_fields(fields: &mut Fields) -> Self {
        Self(fields.secret("refresh_token"))
    }
}

/// Ends the session of the bearer token or, without one, of the refresh token in the body.
pub(super) async fn logout(
    issuer: Data<Issuer>,
    req: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    match bearer_token(&req) {
        Ok(token) => issuer.logout(token).await.map_err(|error| refusal(&issuer, error))?,
        Err(Cause::MissingToken) => {
            let body = Strict::<LogoutBody>::from_request(&req, &mut body.into_inner()).await;
            let Strict(LogoutBody(token)) =
                body.map_err(|problem| no_token_at_all(&issuer, &req, problem))?;
            issuer.logout_by_refresh_token(&token).await.map_err(IntoProblem::into_problem)?;
        }
        Err(cause) => return Err(issuer.verifier.auth_error(cause).into()),
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Without any body, what is missing is the token.
fn no_token_at_all(issuer: &Issuer, req: &HttpRequest, problem: Problem) -> actix_web::Error {
    let length = req.headers().get(actix_web::http::header::CONTENT_LENGTH);
    let empty = length.is_none_or(|length| length == "0")
        && !req.headers().contains_key(actix_web::http::header::TRANSFER_ENCODING);
    if empty { issuer.verifier.auth_error(Cause::MissingToken).into() } else { problem.into() }
}

#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<i64>,
    scope: &'a str,
}

/// RFC 6749 section 5.1.
pub(super) fn token_response(grant: &Grant) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).insert_header((PRAGMA, "no-cache")).json(
        TokenResponse {
            access_token: &grant.access_token,
            token_type: "Bearer",
            expires_in: grant.expires_in,
            refresh_token: grant.refresh.as_ref().map(|refresh| refresh.token.as_str()),
            refresh_expires_in: grant.refresh.as_ref().map(|refresh| refresh.expires_in),
            scope: &grant.scope,
        },
    )
}
