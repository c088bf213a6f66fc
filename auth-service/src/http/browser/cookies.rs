//! Cookie mode, for browsers: tokens that no script can read, and what a page must show in order to use them.
//!
//! `__Host-` and `__Secure-` are promises of the browser (RFC 6265bis section 4.1.3): it lets no plain HTTP set such a
//! cookie, and `__Host-` none but this host.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, CookieBuilder, SameSite};
use actix_web::http::header::{HeaderName, HeaderValue, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse};
use secrecy::SecretString;
use shared_claims::{
    error::{Cause, SetupError},
    http::{CookieSource, Field, Head, Sources, TokenSource},
};
use url::Url;

use crate::domain::sessions::csrf::Carried;
use crate::domain::sessions::session::Grant;
use crate::domain::tokens::size::ACCESS_COOKIE;
use crate::http::request::bearer::bearer_token;

const ACCESS: &str = ACCESS_COOKIE;
const REFRESH: &str = "__Secure-refresh";
const CSRF: &str = "__Host-csrf";
/// Where pages of other origins, which cannot read the cookie, find its value.
const X_CSRF_TOKEN: HeaderName = HeaderName::from_static(Field::CsrfToken.name());

/// How many refresh cookies are looked at in one request. Another host of the same site can add one for each domain that both are
/// below and each path that leads to ours, `/`, `/token` and what an issuer with a path has in between, so a browser sends fewer.
const MAX_REFRESH_COOKIES: usize = 16;

/// Where tokens stand in the requests of a browser, and from which pages they count. In the app's data.
#[derive(Debug, Clone)]
pub(crate) struct CookieMode {
    pages: CookieSource,
    access: Sources,
    refresh: CookieSource,
    refresh_path: String,
    csrf: Sources,
}

impl CookieMode {
    /// Pages that may use cookies: those of the issuer's own origin, whatever a proxy makes of `Host`, and of the origins that
    /// are listed.
    ///
    /// # Errors
    /// When one of them is not written as browsers write it.
    pub(crate) fn pages(issuer: &str, listed: &[String]) -> Result<CookieSource, SetupError> {
        let own = Url::parse(issuer).ok().map(|url| url.origin().ascii_serialization());
        CookieSource::default().allow_origins(own.into_iter().chain(listed.iter().cloned()))
    }

    /// For an issuer of this URL: `/token`, where the refresh cookie belongs, is below its path for browsers. A proxy takes the path
    /// away on the way here.
    pub(crate) fn new(pages: &CookieSource, issuer: &str) -> Self {
        let cookie = |name: &str| Sources::from([TokenSource::Cookie(pages.clone().names(name, CSRF))]);
        let refresh = pages.clone().names(REFRESH, CSRF);
        let path = Url::parse(issuer).map_or_else(|_| String::new(), |url| url.path().to_owned());
        let refresh_path = format!("{}/token", path.trim_end_matches('/'));
        Self { pages: pages.clone(), access: cookie(ACCESS), refresh, refresh_path, csrf: cookie(CSRF) }
    }

    /// Where a protected route looks for an access token: in one of two places, and a request with both is refused
    /// (RFC 6750 section 2).
    pub(crate) fn access_sources(pages: CookieSource) -> Sources {
        Sources::from([TokenSource::Header, TokenSource::Cookie(pages.names(ACCESS, CSRF))])
    }

    /// The refresh tokens, from a page that may use them, with the CSRF token repeated. More than one when another host of the
    /// same site has set such a cookie too: `__Secure-`, unlike `__Host-`, lets it.
    pub(in crate::http) fn refresh_tokens(&self, req: &impl Head) -> Result<Vec<SecretString>, Cause> {
        Ok(self.refresh.candidates(req, MAX_REFRESH_COOKIES)?.into_iter().map(Into::into).collect())
    }

    /// The CSRF token, from a page that may use it, and repeated unless the request only reads.
    pub(in crate::http) fn csrf_token<'r>(&self, req: &'r HttpRequest) -> Result<&'r str, Cause> {
        self.csrf.token_in(req)
    }

    /// Hands the tokens over to a browser.
    pub(in crate::http) fn set(&self, response: &mut HttpResponse, grant: &Grant) {
        append(response, &access(&grant.access_token, grant.expires_in));
        let Some(session) = &grant.refresh else { return };
        append(response, &self.refresh_cookie(&session.token, session.expires_in));
        append(response, &csrf(&session.csrf_token, session.expires_in));
        if let Ok(value) = HeaderValue::from_str(&session.csrf_token) {
            response.headers_mut().insert(X_CSRF_TOKEN, value);
        }
    }

    /// Takes back whatever a browser has. It forgets a cookie only if name and path are the ones it was set with.
    pub(in crate::http) fn clear(&self, response: &mut HttpResponse) {
        for cookie in [access("", 0), self.refresh_cookie("", 0), csrf("", 0)] {
            append(response, &cookie);
        }
    }

    fn refresh_cookie<'c>(&'c self, token: &'c str, max_age: i64) -> Cookie<'c> {
        of_this_host(REFRESH, token, max_age).path(&self.refresh_path).http_only(true).finish()
    }

    /// Every token that a browser brings to a login which is to be answered with cookies, if its page may have them: else a
    /// stranger's page could log its reader in to the stranger's account. That the CSRF token is repeated is not asked.
    pub(in crate::http) fn carried(&self, req: &HttpRequest) -> Result<Carried, Cause> {
        self.pages.check_origin(req)?;
        let find = |sources: &Sources| sources.token_in(&Reading(req)).ok().map(Into::into);
        Ok(Carried {
            access_token: find(&self.access),
            refresh_tokens: self.refresh_tokens(&Reading(req)).unwrap_or_default(),
            csrf_token: find(&self.csrf),
        })
    }
}

/// A request as if it would only read.
struct Reading<'r>(&'r HttpRequest);

impl Head for Reading<'_> {
    fn method(&self) -> &'static str {
        "GET"
    }

    fn query(&self) -> Option<&str> {
        self.0.query()
    }

    fn authority(&self) -> Option<&str> {
        self.0.authority()
    }

    fn values(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.0.values(field)
    }
}

/// Whether the access token of a request that has one stands in a cookie.
pub(in crate::http) fn in_cookie(req: &HttpRequest) -> bool {
    matches!(bearer_token(req), Err(Cause::MissingToken))
}

/// The CSRF token that must be the session's own: of a request that has its access token in a cookie and changes something.
/// That it repeats the cookie has been [seen](CookieSource) by then.
pub(in crate::http) fn due_csrf_token(req: &HttpRequest) -> Option<&str> {
    let due = in_cookie(req) && !req.method().is_safe();
    due.then(|| sent_csrf_token(req))
}

/// What `X-CSRF-Token` says; nothing, which is no session's, when it is missing.
pub(in crate::http) fn sent_csrf_token(req: &HttpRequest) -> &str {
    req.values(Field::CsrfToken).next().and_then(|value| str::from_utf8(value).ok()).unwrap_or_default()
}

fn append(response: &mut HttpResponse, cookie: &Cookie<'_>) {
    // What tokens are made of needs no encoding in a cookie or in a header.
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

fn access(token: &str, max_age: i64) -> Cookie<'_> {
    of_this_host(ACCESS, token, max_age).path("/").http_only(true).finish()
}

/// The one that scripts may read.
fn csrf(token: &str, max_age: i64) -> Cookie<'_> {
    of_this_host(CSRF, token, max_age).path("/").finish()
}

fn of_this_host<'c>(name: &'static str, value: &'c str, max_age: i64) -> CookieBuilder<'c> {
    Cookie::build(name, value).secure(true).same_site(SameSite::Lax).max_age(Duration::seconds(max_age))
}
