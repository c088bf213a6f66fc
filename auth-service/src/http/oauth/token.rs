//! `POST /token` (RFC 6749 section 3.2): the `refresh_token` and `client_credentials` grants, and first-party logins in JSON.
//!
//! `grant_type=password` does not exist (RFC 9700 section 2.4): those who own the login form use JSON without a
//! `grant_type`, which does what `POST /login` does.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use secrecy::SecretString;

use crate::domain::issuer::Issuer;
use crate::domain::sessions::login::LoginRequest;
use crate::domain::sessions::login_line::refused_for_its_page;
use crate::domain::sessions::login_name::LoginName;
use crate::domain::sessions::refresh::RefreshRequest;
use crate::domain::sessions::session::{Device, Grant};
use crate::http::browser::cookies::{CookieMode, sent_csrf_token};
use crate::http::browser::token_response::Delivery;
use crate::http::oauth::client;
use crate::http::oauth::client::Authorization;
use crate::http::oauth::error::OAuthError;
use crate::http::oauth::parameters::Parameters;
use crate::http::request::device::DeviceOf;
use crate::http::request::rate_limits::Rates;

pub(in crate::http) async fn token(
    issuer: Data<Issuer>,
    rates: Data<Rates>,
    cookies: Data<CookieMode>,
    req: HttpRequest,
    DeviceOf(device): DeviceOf,
    authorization: Authorization,
    mut parameters: Parameters,
) -> Result<HttpResponse, OAuthError> {
    match parameters.text("grant_type").as_deref() {
        Some("refresh_token") => {
            rates.refresh(&device)?;
            refresh(&issuer, &authorization, (parameters, &cookies, &req), device).await
        }
        Some("client_credentials") => {
            let grant = client_credentials(&issuer, &authorization, parameters).await?;
            Ok(Delivery::Body.hand_over(&grant, &cookies))
        }
        Some(_) => {
            let description = "This grant_type is not offered here.";
            Err(OAuthError::bad_request("unsupported_grant_type", description))
        }
        None if parameters.json => login(&issuer, (parameters, &cookies, &req), device).await,
        None => Err(OAuthError::missing("grant_type")),
    }
}

/// RFC 6749 section 6. Sessions belong to first parties, which have no secret: a client that proves itself is another one.
/// After a failure for good a browser is told to forget its cookies.
async fn refresh(
    issuer: &Issuer,
    authorization: &Authorization,
    (mut parameters, cookies, req): (Parameters, &CookieMode, &HttpRequest),
    device: Device,
) -> Result<HttpResponse, OAuthError> {
    if client::authenticate(issuer, authorization, &mut parameters).await?.is_some() {
        return Err(OAuthError::bad_request(
            "invalid_grant",
            "The refresh token was given to somebody else.",
        ));
    }
    let (refresh_token, csrf_token, delivery) = refresh_token(issuer, &mut parameters, cookies, req)?;
    let (scope, resource) = (parameters.text("scope"), parameters.resource);
    let request =
        RefreshRequest { refresh_token, csrf_token, scope, resource, transport: delivery.transport() };
    match issuer.refresh(request, device).await.map_err(OAuthError::from) {
        Ok(grant) => Ok(delivery.hand_over(&grant, cookies)),
        Err(error) if error.ends_the_session() => Ok(delivery.take_back(error.error_response(), cookies)),
        Err(error) => Err(error),
    }
}

/// The refresh token and the CSRF token that it needs: from the body, which needs none, or from the cookie; of several cookies
/// the one of the CSRF token's session. Cookies count for JSON alone, which no form of another site can send.
fn refresh_token(
    issuer: &Issuer,
    parameters: &mut Parameters,
    cookies: &CookieMode,
    req: &HttpRequest,
) -> Result<(SecretString, Option<SecretString>, Delivery), OAuthError> {
    match (parameters.secret("refresh_token"), parameters.json) {
        (Some(sent), _) => Ok((sent, None, Delivery::Body)),
        (None, true) => {
            let csrf_token = sent_csrf_token(req);
            let token = issuer.choose_refresh_token(cookies.refresh_tokens(req)?, csrf_token);
            let token = token.ok_or_else(|| OAuthError::missing("refresh_token"))?;
            Ok((token, Some(csrf_token.into()), Delivery::Cookies))
        }
        (None, false) => Err(OAuthError::missing("refresh_token")),
    }
}

/// RFC 6749 section 4.4.
async fn client_credentials(
    issuer: &Issuer,
    authorization: &Authorization,
    mut parameters: Parameters,
) -> Result<Grant, OAuthError> {
    let client = client::require(issuer, authorization, &mut parameters).await?;
    let scope = parameters.text("scope");
    Ok(issuer.client_grant(client, scope.as_deref(), &parameters.resource).await?)
}

/// What `POST /login` does.
async fn login(
    issuer: &Issuer,
    (mut parameters, cookies, req): (Parameters, &CookieMode, &HttpRequest),
    device: Device,
) -> Result<HttpResponse, OAuthError> {
    let login = match (parameters.text("username"), parameters.text("email")) {
        (Some(username), None) => LoginName::Username(username),
        (None, Some(email)) => LoginName::Email(email),
        (None, None) => return Err(OAuthError::missing("grant_type")),
        (Some(_), Some(_)) => {
            return Err(OAuthError::bad_request("invalid_request", "Either username or email, not both."));
        }
    };
    let password = parameters.secret("password").ok_or_else(|| OAuthError::missing("password"))?;
    let delivery = Delivery::cookies_if(parameters.cookies()?);
    let carried = delivery.carried(cookies, req).inspect_err(|_| refused_for_its_page(&device))?;
    let request = LoginRequest {
        login: login.into(),
        password,
        resource: parameters.resource,
        carried,
        transport: delivery.transport(),
    };
    Ok(delivery.hand_over(&issuer.login(request, device).await?, cookies))
}
