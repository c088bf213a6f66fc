//! How tokens are sent to a client: in the body (RFC 6749 section 5.1), or to a browser in cookies.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{CACHE_CONTROL, PRAGMA};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use serde::Serialize;
use shared_claims::error::Cause;

use crate::domain::sessions::csrf::Carried;
use crate::domain::sessions::session::Grant;
use crate::domain::tokens::size::Transport;
use crate::http::browser::cookies;
use crate::http::browser::cookies::CookieMode;

/// Where the tokens of a response are. As a parameter of a handler: where the access token of the request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum TokenTransport {
    Body,
    Cookies,
}

impl FromRequest for TokenTransport {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::cookies_if(cookies::in_cookie(req))))
    }
}

#[derive(Serialize)]
struct TokenResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<&'a str>,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<i64>,
    scope: &'a str,
}

/// For the bound of the tokens' size.
impl From<TokenTransport> for Transport {
    fn from(transport: TokenTransport) -> Self {
        match transport {
            TokenTransport::Body => Self::Body,
            TokenTransport::Cookies => Self::Cookie,
        }
    }
}

impl TokenTransport {
    pub(in crate::http) fn cookies_if(cookies: bool) -> Self {
        if cookies { Self::Cookies } else { Self::Body }
    }

    /// Returns the tokens that a browser presents at a login that is answered in this way. An error if its page must not log in
    /// with cookies.
    pub(in crate::http) fn presented_tokens(
        self,
        cookies: &CookieMode,
        req: &HttpRequest,
    ) -> Result<Carried, Cause> {
        match self {
            Self::Body => Ok(Carried::default()),
            Self::Cookies => cookies.presented_tokens(req),
        }
    }

    /// Returns the token response.
    pub(in crate::http) fn token_response(self, grant: &Grant, cookies: &CookieMode) -> HttpResponse {
        let in_body = self == Self::Body;
        let refresh = grant.refresh.as_ref();
        let mut answer = HttpResponse::Ok();
        answer.insert_header((CACHE_CONTROL, "no-store")).insert_header((PRAGMA, "no-cache"));
        let mut answer = answer.json(TokenResponse {
            access_token: in_body.then_some(grant.access_token.as_str()),
            token_type: "Bearer",
            expires_in: grant.expires_in,
            refresh_token: refresh.filter(|_| in_body).map(|refresh| refresh.token.as_str()),
            refresh_expires_in: refresh.map(|refresh| refresh.expires_in),
            scope: &grant.scope,
        });
        if !in_body {
            cookies.set(&mut answer, grant);
        }
        answer
    }

    /// Makes `answer` the one after which there is no session: cookies are deleted.
    pub(in crate::http) fn clear_cookies(
        self,
        mut answer: HttpResponse,
        cookies: &CookieMode,
    ) -> HttpResponse {
        if self == Self::Cookies {
            cookies.clear(&mut answer);
        }
        answer
    }
}
