//! `POST /login` and `POST /logout`: how a first party begins and ends a session.

use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::web::{self, Data};
use actix_web::{FromRequest as _, HttpRequest, HttpResponse};
use secrecy::SecretString;
use service_kit::{FieldError, Fields, FromFields, Strict};
use shared_claims::Verifier;
use shared_claims::error::Cause;

use crate::domain::sessions::csrf::Carried;
use crate::domain::sessions::login::LoginRequest;
use crate::domain::sessions::login::PasswordLogin;
use crate::domain::sessions::login_line::refused_for_its_page;
use crate::domain::sessions::login_name::LoginName;
use crate::domain::sessions::session::AuthenticateError;
use crate::domain::sessions::session::Sessions;
use crate::http::browser::cookies::{CookieMode, in_cookie, required_csrf_token};
use crate::http::browser::token_response::TokenTransport;
use crate::http::error::{IntoProblem, refusal};
use crate::http::request::caller::access_token;
use crate::http::request::device::DeviceOf;

/// `{username, password}` or `{email, password}`, `resource`, and `cookies`.
pub(in crate::http) struct LoginBody {
    request: LoginRequest,
    transport: TokenTransport,
}

impl FromFields for LoginBody {
    fn from_fields(fields: &mut Fields) -> Self {
        let login = match (fields.optional_string("username"), fields.optional_string("email")) {
            (Some(username), None) => LoginName::Username(username),
            (None, Some(email)) => LoginName::Email(email),
            (username, _) => {
                let code = if username.is_some() { "conflict" } else { "required" };
                fields.refuse(FieldError::new("username", code, "Either username or email is required."));
                LoginName::Username(String::new())
            }
        };
        let transport = TokenTransport::cookies_if(fields.flag("cookies"));
        let (password, resource) = (fields.secret("password"), fields.strings("resource"));
        let (login, carried) = (login.into(), Carried::default());
        let request = LoginRequest { login, password, resource, carried, transport: transport.into() };
        Self { request, transport }
    }
}

pub(in crate::http) async fn login(
    password_login: Data<PasswordLogin>,
    verifier: Data<Verifier>,
    cookies: Data<CookieMode>,
    req: HttpRequest,
    DeviceOf(device): DeviceOf,
    Strict(LoginBody { mut request, transport }): Strict<LoginBody>,
) -> Result<HttpResponse, actix_web::Error> {
    let presented = transport.presented_tokens(&cookies, &req);
    let presented = presented.inspect_err(|_| refused_for_its_page(&device));
    request.carried = presented.map_err(|cause| verifier.auth_error(cause))?;
    let grant = password_login.login(request, device).await.map_err(IntoProblem::into_problem)?;
    Ok(transport.token_response(&grant, &cookies))
}

/// `{refresh_token}`.
pub(in crate::http) struct LogoutBody(SecretString);

impl FromFields for LogoutBody {
    fn from_fields(fields: &mut Fields) -> Self {
        Self(fields.secret("refresh_token"))
    }
}

/// Ends the session of the access token or, without one, of the refresh token in the body. A browser whose access token has
/// expired presents neither, only its CSRF token.
pub(in crate::http) async fn logout(
    sessions: Data<Sessions>,
    verifier: Data<Verifier>,
    cookies: Data<CookieMode>,
    req: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    match access_token(&verifier, &req) {
        Ok(token) => {
            let ended = sessions.logout(token, required_csrf_token(&req)).await;
            Ok(logout_response(&verifier, ended, TokenTransport::cookies_if(in_cookie(&req)), &cookies))
        }
        Err(Cause::MissingToken) => {
            match Strict::<LogoutBody>::from_request(&req, &mut body.into_inner()).await {
                Ok(Strict(LogoutBody(token))) => logout_by_refresh_token(&sessions, &token).await,
                Err(_) if has_no_body(&req) => {
                    logout_by_csrf_token(&sessions, &verifier, &cookies, &req).await
                }
                Err(problem) => Err(problem.into()),
            }
        }
        Err(cause) => Err(verifier.auth_error(cause).into()),
    }
}

async fn logout_by_refresh_token(
    sessions: &Sessions,
    token: &SecretString,
) -> Result<HttpResponse, actix_web::Error> {
    sessions.logout_by_refresh_token(token).await.map_err(IntoProblem::into_problem)?;
    Ok(HttpResponse::NoContent().finish())
}

async fn logout_by_csrf_token(
    sessions: &Sessions,
    verifier: &Verifier,
    cookies: &CookieMode,
    req: &HttpRequest,
) -> Result<HttpResponse, actix_web::Error> {
    let token = cookies.csrf_token(req).map_err(|cause| verifier.auth_error(cause))?;
    Ok(logout_response(
        verifier,
        sessions.logout_by_csrf_token(token).await,
        TokenTransport::Cookies,
        cookies,
    ))
}

/// Returns the response to a logout. Cookies are deleted also if the session had ended before or the token is not valid, but not
/// if the request failed its CSRF check or the database is away.
fn logout_response(
    verifier: &Verifier,
    ended: Result<(), AuthenticateError>,
    transport: TokenTransport,
    cookies: &CookieMode,
) -> HttpResponse {
    match ended {
        Ok(()) => transport.clear_cookies(HttpResponse::NoContent().finish(), cookies),
        Err(error @ AuthenticateError::Refused(_)) => {
            transport.clear_cookies(refusal(verifier, error).error_response(), cookies)
        }
        Err(error) => refusal(verifier, error).error_response(),
    }
}

fn has_no_body(req: &HttpRequest) -> bool {
    let length = req.headers().get(CONTENT_LENGTH);
    length.is_none_or(|length| length == "0") && !req.headers().contains_key(TRANSFER_ENCODING)
}
