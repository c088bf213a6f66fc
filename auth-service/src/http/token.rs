//! `POST /token` (RFC 6749 section 3.2): the `refresh_token` and `client_credentials` grants, and first-party logins in JSON.
//!
//! `grant_type=password` does not exist (RFC 9700 section 2.4): those who own the login form use JSON without a
//! `grant_type`, which does what `POST /login` does.

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::client::{self, Authorization};
use super::device::DeviceOf;
use super::oauth::{OAuthError, Parameters};
use super::rates::Rates;
use super::sessions::token_response;
use crate::domain::Issuer;
use crate::domain::login::LoginRequest;
use crate::domain::refresh::RefreshRequest;
use crate::domain::sessions::{Device, Grant};
use crate::store::users::Login;

pub(super) async fn token(
    issuer: Data<Issuer>,
    rates: Data<Rates>,
    DeviceOf(device): DeviceOf,
    authorization: Authorization,
    mut parameters: Parameters,
) -> Result<HttpResponse, OAuthError> {
    let grant = match parameters.text("grant_type").as_deref() {
        Some("refresh_token") => {
            rates.refresh(&device)?;
            refresh(&issuer, &authorization, parameters, device).await?
        }
        Some("client_credentials") => client_credentials(&issuer, &authorization, parameters).await?,
        Some(_) => {
            let description = "This grant_type is not offered here.";
            return Err(OAuthError::bad_request("unsupported_grant_type", description));
        }
        None if parameters.json => login(&issuer, parameters, device).await?,
        None => return Err(OAuthError::missing("grant_type")),
    };
    Ok(token_response(&grant))
}

/// RFC 6749 section 6. Sessions belong to first parties, which have no secret: a client that proves itself is another one.
async fn refresh(
    issuer: &Issuer,
    authorization: &Authorization,
    mut parameters: Parameters,
    device: Device,
) -> Result<Grant, OAuthError> {
    if client::authenticate(issuer, authorization, &mut parameters).await?.is_some() {
        return Err(OAuthError::bad_request(
            "invalid_grant",
            "The refresh token was given to somebody else.",
        ));
    }
    let request = RefreshRequest {
        refresh_token: parameters
            .secret("refresh_token")
            .ok_or_else(|| OAuthError::missing("refresh_token"))?,
        scope: parameters.text("scope"),
        resource: parameters.resource,
    };
    Ok(issuer.refresh(request, device).await?)
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

async fn login(issuer: &Issuer, mut parameters: Parameters, device: Device) -> Result<Grant, OAuthError> {
    let login = match (parameters.text("username"), parameters.text("email")) {
        (Some(username), None) => Login::Username(username),
        (None, Some(email)) => Login::Email(email),
        (None, None) => return Err(OAuthError::missing("grant_type")),
        (Some(_), Some(_)) => {
            return Err(OAuthError::bad_request("invalid_request", "Either username or email, not both."));
        }
    };
    let password = parameters.secret("password").ok_or_else(|| OAuthError::missing("password"))?;
    Ok(issuer.login(LoginRequest { login, password, resource: parameters.resource }, device).await?)
}
