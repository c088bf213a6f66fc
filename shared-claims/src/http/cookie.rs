//! Tokens in cookies, which a browser sends along whoever wrote the page: so a request must show that it comes from an
//! own page (cross-site request forgery; OWASP ASVS 5.0, 3.5.1).

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::{
    error::setup::SetupError,
    http::{
        bearer::Cause,
        head::{Field, Head},
        origin,
    },
};

/// A cookie that holds the access token, and what a request must bring along with it.
///
/// A request with an `Origin` must come from this service's own origin (`https://` and its `Host`; on a loopback host
/// also `http://`) or from one that is [allowed](Self::allow_origins). Unsafe methods (all but `GET`, `HEAD`, `OPTIONS`
/// and `TRACE`) must have an `Origin`, and repeat in the header `X-CSRF-Token` the value of a second cookie, which only
/// pages of this host can read. Else the answer is `403`.
///
/// Behind a proxy that changes `Host`, name the public origin by [`allow_origins`](Self::allow_origins).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieSource {
    name: String,
    csrf_name: String,
    origins: Vec<String>,
}

impl Default for CookieSource {
    /// `__Host-access`, with `__Host-csrf`. Browsers let no other host and no plain HTTP set cookies of such names.
    fn default() -> Self {
        Self { name: "__Host-access".to_owned(), csrf_name: "__Host-csrf".to_owned(), origins: Vec::new() }
    }
}

impl CookieSource {
    /// Takes the token from the cookie `name`, and what `X-CSRF-Token` must repeat from the cookie `csrf_name`.
    #[must_use]
    pub fn names(mut self, name: impl Into<String>, csrf_name: impl Into<String>) -> Self {
        (self.name, self.csrf_name) = (name.into(), csrf_name.into());
        self
    }

    /// Also takes requests from pages of these origins, such as `https://app.example.com`.
    ///
    /// # Errors
    /// When one is not an origin as browsers write it: a scheme, a host in lower case, and a port unless it is the
    /// scheme's own; no path.
    pub fn allow_origins<I>(mut self, origins: I) -> Result<Self, SetupError>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        for origin in origins.into_iter().map(Into::into) {
            if !is_origin(&origin) {
                let why = "an origin is a scheme and a host, in lower case, without a path or the scheme's own port";
                return Err(SetupError::Url(origin, why));
            }
            self.origins.push(origin);
        }
        Ok(self)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Sees that the request comes from a page that may use the cookie.
    ///
    /// An `Origin` that is sent counts for safe methods too: browsers open web sockets by `GET` from any page.
    pub(crate) fn check_sender<R: Head>(&self, request: &R) -> Result<(), Cause> {
        let safe = matches!(request.method(), "GET" | "HEAD" | "OPTIONS" | "TRACE");
        if !(safe && request.values(Field::Origin).next().is_none()) {
            self.check_origin(request)?;
        }
        if safe || self.repeats_csrf_token(request) { Ok(()) } else { Err(Cause::CsrfToken) }
    }

    /// Sees that the request has an `Origin` that may use the cookie, whatever else it carries: for one that shall be
    /// answered with cookies and has none yet, such as a login (login CSRF).
    ///
    /// # Errors
    /// [`Cause::ForeignOrigin`].
    pub fn check_origin<R: Head>(&self, request: &R) -> Result<(), Cause> {
        match one(request.values(Field::Origin)) {
            Some(origin) if self.allows(origin, request) => Ok(()),
            _ => Err(Cause::ForeignOrigin),
        }
    }

    /// Every value of the cookie in a request that may use it, in the order of the request: for a caller that can tell its own
    /// value from others. Another host of the same site can set a cookie of the same name for the common domain, unless the name
    /// begins with `__Host-`, and browsers send both.
    ///
    /// # Errors
    /// [`Cause::MissingToken`] when there is none, [`Cause::SeveralTokens`] when there are more than `most`,
    /// [`Cause::ForeignOrigin`] and [`Cause::CsrfToken`] when the request may not use the cookie.
    pub fn candidates<'r, R: Head>(&self, request: &'r R, most: usize) -> Result<Vec<&'r str>, Cause> {
        let sent = values(request, &self.name).filter(|value| !value.is_empty());
        let sent: Vec<&[u8]> = sent.take(most.saturating_add(1)).collect();
        if sent.len() > most {
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

/// The values of all cookies of this name (RFC 6265 section 4.2). Only ASCII blanks are cut from a name: a server that
/// cuts others lets pages forge the prefix `__Host-`.
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
