//! How tokens are handed over: in the body (RFC 6749 section 5.1), or to a browser in cookies.

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

/// Where the tokens of an answer stand. As a parameter of a handler: where the access token of the request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Delivery {
    Body,
    Cookies,
}

impl FromRequest for Delivery {
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

impl Delivery {
    pub(in crate::http) fn cookies_if(cookies: bool) -> Self {
        if cookies { Self::Cookies } else { Self::Body }
    }

    /// What a browser brings to a login that is to be answered in this way, if its page may log in so.
    pub(in crate::http) fn carried(self, cookies: &CookieMode, req: &HttpRequest) -> Result<Carried, Cause> {
        match self {
            Self::Body => Ok(Carried::default()),
            Self::Cookies => cookies.carried(req),
        }
    }

    /// For the size of what is handed over.
    pub(in crate::http) fn transport(self) -> Transport {
        match self {
            Self::Body => Transport::Body,
            Self::Cookies => Transport::Cookie,
        }
    }

    /// The token response.
    pub(in crate::http) fn hand_over(self, grant: &Grant, cookies: &CookieMode) -> HttpResponse {
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

    /// An answer after which there is no session: what was handed over in cookies is taken back.
    pub(in crate::http) fn take_back(self, mut answer: HttpResponse, cookies: &CookieMode) -> HttpResponse {
        if self == Self::Cookies {
            cookies.clear(&mut answer);
        }
        answer
    }
}
