//! Tokens in cookies. A browser also sends them with requests from other sites' pages, so a request must prove that it comes
//! from an allowed page (cross-site request forgery; OWASP ASVS 5.0, 3.5.1).

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::{
    error::setup::SetupError,
    http::{
        bearer::Cause,
        head::{Field, Head},
        origin,
    },
};

/// A cookie that holds the access token, with its protection against cross-site request forgery.
///
/// If a request has an `Origin`, it must be this service's own origin (`https://` and its `Host`; on a loopback host also
/// `http://`) or one that is [allowed](Self::allow_origins). Requests with unsafe methods (all but `GET`, `HEAD`, `OPTIONS`
/// and `TRACE`) must have an `Origin`, and must repeat in the header `X-CSRF-Token` the value of a second cookie, which only
/// pages of this host can read. Otherwise the answer is `403`.
///
/// Behind a proxy that changes `Host`, add the public origin with [`allow_origins`](Self::allow_origins).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieSource {
    name: String,
    csrf_name: String,
    origins: Vec<String>,
}

impl Default for CookieSource {
    /// The cookies `__Host-access` and `__Host-csrf`. Browsers do not let another host or plain HTTP set cookies with these
    /// names.
    fn default() -> Self {
        Self { name: "__Host-access".to_owned(), csrf_name: "__Host-csrf".to_owned(), origins: Vec::new() }
    }
}

impl CookieSource {
    /// Sets the names of the cookie with the token and of the cookie that `X-CSRF-Token` must repeat.
    #[must_use]
    pub fn names(mut self, name: impl Into<String>, csrf_name: impl Into<String>) -> Self {
        (self.name, self.csrf_name) = (name.into(), csrf_name.into());
        self
    }

    /// Allows requests from pages of these origins too, such as `https://app.example.com`.
    ///
    /// # Errors
    /// [`SetupError::Url`] if one is not an origin as browsers write it: a scheme, a host in lower case, and a port unless it
    /// is the scheme's default; no path.
    pub fn allow_origins<I>(mut self, origins: I) -> Result<Self, SetupError>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        for origin in origins.into_iter().map(Into::into) {
            if !is_origin(&origin) {
                let why = "an origin is a scheme and a host, in lower case, without a path or the scheme's default port";
                return Err(SetupError::Url(origin, why));
            }
            self.origins.push(origin);
        }
        Ok(self)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Checks that the request comes from a page that may use the cookie.
    ///
    /// A safe method needs no `Origin`, but one that is sent is checked: browsers open web sockets by `GET` from any page.
    pub(crate) fn check_sender<R: Head>(&self, request: &R) -> Result<(), Cause> {
        let safe = matches!(request.method(), "GET" | "HEAD" | "OPTIONS" | "TRACE");
        if !(safe && request.values(Field::Origin).next().is_none()) {
            self.check_origin(request)?;
        }
        if safe || self.repeats_csrf_token(request) { Ok(()) } else { Err(Cause::CsrfToken) }
    }

    /// Checks only that the request has an allowed `Origin`. For requests that set cookies and have none yet, such as a login
    /// (login CSRF).
    ///
    /// # Errors
    /// [`Cause::ForeignOrigin`] if it has none or another one.
    pub fn check_origin<R: Head>(&self, request: &R) -> Result<(), Cause> {
        match one(request.values(Field::Origin)) {
            Some(origin) if self.allows(origin, request) => Ok(()),
            _ => Err(Cause::ForeignOrigin),
        }
    }

    /// Returns every value of the cookie, in the order of the request, for a caller that can tell its own value from others.
    /// Unless the name begins with `__Host-`, another host of the same site can set a cookie of the same name for the common
    /// domain, and browsers send both.
    ///
    /// # Errors
    /// [`Cause::MissingToken`] if there is none, [`Cause::SeveralTokens`] if there are more than `max`, and
    /// [`Cause::ForeignOrigin`] or [`Cause::CsrfToken`] if the request may not use the cookie.
    pub fn candidates<'r, R: Head>(&self, request: &'r R, max: usize) -> Result<Vec<&'r str>, Cause> {
        let sent = values(request, &self.name).filter(|value| !value.is_empty());
        let sent: Vec<&[u8]> = sent.take(max.saturating_add(1)).collect();
        if sent.len() > max {
            return Err(Cause::SeveralTokens);
        }
        let candidates: Vec<&str> = sent.into_iter().filter_map(|value| str::from_utf8(value).ok()).collect();
        if candidates.is_empty() {
            return Err(Cause::MissingToken);
        }
        self.check_sender(request)?;
        Ok(candidates)
    }

    fn allows<R: Head>(&self, origin: &[u8], request: &R) -> bool {
        let Ok(origin) = str::from_utf8(origin) else { return false };
        self.origins.iter().any(|allowed| allowed == origin) || is_own(origin, request)
    }

    fn repeats_csrf_token<R: Head>(&self, request: &R) -> bool {
        let sent = one(request.values(Field::CsrfToken));
        let kept = one(values(request, &self.csrf_name));
        match (sent, kept) {
            (Some(sent), Some(kept)) => !kept.is_empty() && verify_slices_are_equal(sent, kept).is_ok(),
            _ => false,
        }
    }
}

/// Returns the values of all cookies with this name (RFC 6265 section 4.2). Only ASCII white space is trimmed from a name: a
/// server that trims more lets pages forge the prefix `__Host-`.
pub(crate) fn values<'r, R: Head>(request: &'r R, name: &str) -> impl Iterator<Item = &'r [u8]> {
    let pairs = request.values(Field::Cookie).flat_map(|line| line.split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

fn one<'r>(mut values: impl Iterator<Item = &'r [u8]>) -> Option<&'r [u8]> {
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

fn is_own<R: Head>(origin: &str, request: &R) -> bool {
    let mut hosts = request.values(Field::Host);
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => str::from_utf8(host).ok(),
        (None, _) => request.authority(),
        _ => None,
    };
    let (Some(host), Some(origin)) = (host, origin::parts(origin)) else { return false };
    let secure = origin.https || origin::is_loopback(origin.authority);
    secure && origin.rest.is_empty() && origin.authority.eq_ignore_ascii_case(host)
}

fn is_origin(text: &str) -> bool {
    origin::parts(text).is_some_and(|parts| {
        let own_port = if parts.https { ":443" } else { ":80" };
        parts.rest.is_empty()
            && !parts.authority.ends_with(own_port)
            && !parts.authority.bytes().any(|byte| byte.is_ascii_uppercase())
    })
}
