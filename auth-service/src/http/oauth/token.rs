//! `POST /token` (RFC 6749 section 3.2): the `refresh_token` and `client_credentials` grants, and first-party logins in JSON.
//!
//! `grant_type=password` does not exist (RFC 9700 section 2.4). First parties with a login form of their own use JSON without
//! a `grant_type`, which does what `POST /login` does.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use secrecy::SecretString;

use crate::domain::clients::Clients;
use crate::domain::sessions::device::Device;
use crate::domain::sessions::login::LoginRequest;
use crate::domain::sessions::login::PasswordLogin;
use crate::domain::sessions::login_line::refused_for_its_page;
use crate::domain::sessions::login_name::LoginName;
use crate::domain::sessions::refresh::RefreshRequest;
use crate::domain::sessions::session::{Grant, Sessions};
use crate::http::browser::cookies::{CookieMode, sent_csrf_token};
use crate::http::browser::token_response::TokenTransport;
use crate::http::oauth::client;
use crate::http::oauth::client::Authorization;
use crate::http::oauth::error::OAuthError;
use crate::http::oauth::parameters::Parameters;
use crate::http::request::device::DeviceOf;
use crate::http::request::rate_limits::RateLimits;

#[expect(clippy::too_many_arguments, reason = "a handler names each collaborator that it uses")]
pub(in crate::http) async fn token(
    sessions: Data<Sessions>,
    password_login: Data<PasswordLogin>,
    clients: Data<Clients>,
    rate_limits: Data<RateLimits>,
    cookies: Data<CookieMode>,
    req: HttpRequest,
    DeviceOf(device): DeviceOf,
    authorization: Authorization,
    mut parameters: Parameters,
) -> Result<HttpResponse, OAuthError> {
    match parameters.text("grant_type").as_deref() {
        Some("refresh_token") => {
            rate_limits.refresh(&device)?;
            let asked = FirstParty { parameters, cookies: &cookies, req: &req, device };
            asked.refresh(&sessions, &clients, &authorization).await
        }
        Some("client_credentials") => {
            let grant = client_credentials(&clients, &authorization, parameters).await?;
            Ok(TokenTransport::Body.token_response(&grant, &cookies))
        }
        Some(_) => {
            let description = "This grant_type is not offered here.";
            Err(OAuthError::bad_request("unsupported_grant_type", description))
        }
        None if parameters.json => {
            FirstParty { parameters, cookies: &cookies, req: &req, device }.login(&password_login).await
        }
        None => Err(OAuthError::missing("grant_type")),
    }
}

/// RFC 6749 section 4.4.
async fn client_credentials(
    clients: &Clients,
    authorization: &Authorization,
    mut parameters: Parameters,
) -> Result<Grant, OAuthError> {
    let client = client::require(clients, authorization, &mut parameters).await?;
    let scope = parameters.text("scope");
    Ok(clients.grant(client, scope.as_deref(), &parameters.resource).await?)
}

/// A request of a first party: a refresh or a login.
struct FirstParty<'r> {
    parameters: Parameters,
    cookies: &'r CookieMode,
    req: &'r HttpRequest,
    device: Device,
}

/// A refresh token as it was presented.
struct Presented {
    refresh_token: SecretString,
    /// What `X-CSRF-Token` says, for a token from a cookie.
    csrf_token: Option<SecretString>,
    transport: TokenTransport,
}

impl FirstParty<'_> {
    /// RFC 6749 section 6. A client that authenticates is refused, because sessions belong to first parties, which have no
    /// secret. After `invalid_grant` a browser deletes its cookies.
    async fn refresh(
        mut self,
        sessions: &Sessions,
        clients: &Clients,
        authorization: &Authorization,
    ) -> Result<HttpResponse, OAuthError> {
        if client::authenticate(clients, authorization, &mut self.parameters).await?.is_some() {
            let description = "The refresh token was not issued to this client.";
            return Err(OAuthError::bad_request("invalid_grant", description));
        }
        let Presented { refresh_token, csrf_token, transport } = self.refresh_token(sessions)?;
        let Self { mut parameters, cookies, device, .. } = self;
        let (scope, resource) = (parameters.text("scope"), parameters.resource);
        let request =
            RefreshRequest { refresh_token, csrf_token, scope, resource, transport: transport.into() };
        match sessions.refresh(request, device).await.map_err(OAuthError::from) {
            Ok(grant) => Ok(transport.token_response(&grant, cookies)),
            Err(error) if error.ends_the_session() => {
                Ok(transport.clear_cookies(error.error_response(), cookies))
            }
            Err(error) => Err(error),
        }
    }

    /// Finds the refresh token in the body, or in a cookie with the CSRF token that it needs there. Of several cookies the one
    /// of the CSRF token's session counts. Cookies count in JSON requests only, which no form of another site can send.
    fn refresh_token(&mut self, sessions: &Sessions) -> Result<Presented, OAuthError> {
        let missing = || OAuthError::missing("refresh_token");
        if let Some(refresh_token) = self.parameters.secret("refresh_token") {
            return Ok(Presented { refresh_token, csrf_token: None, transport: TokenTransport::Body });
        }
        if !self.parameters.json {
            return Err(missing());
        }
        let csrf_token = sent_csrf_token(self.req);
        let candidates = self.cookies.refresh_tokens(self.req)?;
        let refresh_token = sessions.choose_refresh_token(candidates, csrf_token).ok_or_else(missing)?;
        let (csrf_token, transport) = (Some(csrf_token.into()), TokenTransport::Cookies);
        Ok(Presented { refresh_token, csrf_token, transport })
    }

    /// Does what `POST /login` does.
    async fn login(self, password_login: &PasswordLogin) -> Result<HttpResponse, OAuthError> {
        let Self { mut parameters, cookies, req, device } = self;
        let login = match (parameters.text("username"), parameters.text("email")) {
            (Some(username), None) => LoginName::Username(username),
            (None, Some(email)) => LoginName::Email(email),
            (None, None) => return Err(OAuthError::missing("grant_type")),
            (Some(_), Some(_)) => {
                let description = "Either username or email, not both.";
                return Err(OAuthError::bad_request("invalid_request", description));
            }
        };
        let password = parameters.secret("password").ok_or_else(|| OAuthError::missing("password"))?;
        let transport = TokenTransport::cookies_if(parameters.cookies()?);
        let presented = transport.presented_tokens(cookies, req);
        let request = LoginRequest {
            login: login.into(),
            password,
            resource: parameters.resource,
            carried: presented.inspect_err(|_| refused_for_its_page(&device))?,
            transport: transport.into(),
        };
        Ok(transport.token_response(&password_login.login(request, device).await?, cookies))
    }
}
