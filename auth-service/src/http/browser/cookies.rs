//! Cookie mode, for browsers: tokens that no script can read, and the CSRF token that a page sends with them.
//!
//! Browsers enforce the prefixes `__Host-` and `__Secure-` (RFC 6265bis section 4.1.3): no plain HTTP response can set such a
//! cookie, and only this host can set one with `__Host-`.

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
/// The response header with the CSRF token, for pages of other origins, which cannot read the cookie.
const X_CSRF_TOKEN: HeaderName = HeaderName::from_static(Field::CsrfToken.name());

/// How many refresh cookies of one request are read. Another host of the same site can add one for each domain above both hosts
/// and each path above `/token`. A browser sends fewer than this.
const MAX_REFRESH_COOKIES: usize = 16;

/// Where tokens are in the requests of a browser, and from which pages they count. In the app's data.
#[derive(Debug, Clone)]
pub(crate) struct CookieMode {
    pages: CookieSource,
    access: Sources,
    refresh: CookieSource,
    refresh_path: String,
    csrf: Sources,
}

impl CookieMode {
    /// Returns the pages that may use cookies: those of the issuer's own origin, even if a proxy changes `Host`, and those of
    /// the listed origins.
    ///
    /// # Errors
    /// An origin is not written as browsers write it.
    pub(crate) fn pages(issuer: &str, listed: &[String]) -> Result<CookieSource, SetupError> {
        let own = Url::parse(issuer).ok().map(|url| url.origin().ascii_serialization());
        CookieSource::default().allow_origins(own.into_iter().chain(listed.iter().cloned()))
    }

    /// Creates the cookie mode of an issuer. For browsers `/token`, which the refresh cookie is sent to, is below the path of the
    /// issuer's URL. A proxy removes that path from requests.
    pub(crate) fn new(pages: &CookieSource, issuer: &str) -> Self {
        let cookie = |name: &str| Sources::from([TokenSource::Cookie(pages.clone().names(name, CSRF))]);
        let refresh = pages.clone().names(REFRESH, CSRF);
        let path = Url::parse(issuer).map_or_else(|_| String::new(), |url| url.path().to_owned());
        let refresh_path = format!("{}/token", path.trim_end_matches('/'));
        Self { pages: pages.clone(), access: cookie(ACCESS), refresh, refresh_path, csrf: cookie(CSRF) }
    }

    /// Returns where a protected route looks for an access token. A request with tokens in both places is refused (RFC 6750
    /// section 2).
    pub(crate) fn access_sources(pages: CookieSource) -> Sources {
        Sources::from([TokenSource::Header, TokenSource::Cookie(pages.names(ACCESS, CSRF))])
    }

    /// Returns the refresh tokens in cookies, from a page that may use them and repeats the CSRF token. There are several if
    /// another host of the same site has set such a cookie too: `__Secure-`, unlike `__Host-`, allows that.
    pub(in crate::http) fn refresh_tokens(&self, req: &impl Head) -> Result<Vec<SecretString>, Cause> {
        Ok(self.refresh.candidates(req, MAX_REFRESH_COOKIES)?.into_iter().map(Into::into).collect())
    }

    /// Returns the CSRF token in its cookie, from a page that may use it and, unless the request only reads, repeats it.
    pub(in crate::http) fn csrf_token<'r>(&self, req: &'r HttpRequest) -> Result<&'r str, Cause> {
        self.csrf.token_in(req)
    }

    /// Sets the cookies with the tokens of `grant`.
    pub(in crate::http) fn set(&self, response: &mut HttpResponse, grant: &Grant) {
        append(response, &access(&grant.access_token, grant.expires_in));
        let Some(session) = &grant.refresh else { return };
        append(response, &self.refresh_cookie(&session.token, session.expires_in));
        append(response, &csrf(&session.csrf_token, session.expires_in));
        if let Ok(value) = HeaderValue::from_str(&session.csrf_token) {
            response.headers_mut().insert(X_CSRF_TOKEN, value);
        }
    }

    /// Deletes all cookies. A browser deletes a cookie only by the name and the path that it was set with.
    pub(in crate::http) fn clear(&self, response: &mut HttpResponse) {
        for cookie in [access("", 0), self.refresh_cookie("", 0), csrf("", 0)] {
            append(response, &cookie);
        }
    }

    fn refresh_cookie<'c>(&'c self, token: &'c str, max_age: i64) -> Cookie<'c> {
        of_this_host(REFRESH, token, max_age).path(&self.refresh_path).http_only(true).finish()
    }

    /// Returns every token that a browser presents at a login in cookie mode. The CSRF token need not be repeated.
    ///
    /// # Errors
    /// The page must not use cookies. Otherwise an attacker's page could log its reader in to the attacker's account.
    pub(in crate::http) fn presented_tokens(&self, req: &HttpRequest) -> Result<Carried, Cause> {
        self.pages.check_origin(req)?;
        let find = |sources: &Sources| sources.token_in(&Reading(req)).ok().map(Into::into);
        Ok(Carried {
            access_token: find(&self.access),
            refresh_tokens: self.refresh_tokens(&Reading(req)).unwrap_or_default(),
            csrf_token: find(&self.csrf),
        })
    }
}

/// A request, treated as one that only reads.
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

/// Whether the access token of a request that has one is in a cookie.
pub(in crate::http) fn in_cookie(req: &HttpRequest) -> bool {
    matches!(bearer_token(req), Err(Cause::MissingToken))
}

/// Returns the CSRF token of a request that needs one: it changes something, and its access token is in a cookie. The token must
/// be the session's own; that it repeats the cookie has been [checked](CookieSource).
pub(in crate::http) fn required_csrf_token(req: &HttpRequest) -> Option<&str> {
    let is_required = in_cookie(req) && !req.method().is_safe();
    is_required.then(|| sent_csrf_token(req))
}

/// Returns the value of `X-CSRF-Token`. Without the header it is empty, which is no session's token.
pub(in crate::http) fn sent_csrf_token(req: &HttpRequest) -> &str {
    req.values(Field::CsrfToken).next().and_then(|value| str::from_utf8(value).ok()).unwrap_or_default()
}

fn append(response: &mut HttpResponse, cookie: &Cookie<'_>) {
    // The characters of tokens need no encoding in a cookie or in a header.
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

fn access(token: &str, max_age: i64) -> Cookie<'_> {
    of_this_host(ACCESS, token, max_age).path("/").http_only(true).finish()
}

/// The only cookie that scripts may read.
fn csrf(token: &str, max_age: i64) -> Cookie<'_> {
    of_this_host(CSRF, token, max_age).path("/").finish()
}

fn of_this_host<'c>(name: &'static str, value: &'c str, max_age: i64) -> CookieBuilder<'c> {
    Cookie::build(name, value).secure(true).same_site(SameSite::Lax).max_age(Duration::seconds(max_age))
}
