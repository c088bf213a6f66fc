//! The sources of tokens: the `Authorization` header, unless more are enabled.
//!
//! A request with a token in two enabled sources is refused (RFC 6750 section 2). Sources that are not enabled are not read.

use std::sync::Arc;

use crate::{
    error::refusal::Refusal,
    http::{
        bearer::{Cause, token_in},
        cookie::{self, CookieSource},
        head::{Field, Head},
    },
};

const PARAMETER: &str = "access_token";

/// A part of a request in which a token is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSource {
    /// `Authorization: Bearer …` (RFC 6750 section 2.1).
    Header,
    /// A cookie, for pages in a browser. Such requests must prove that they come from an allowed page.
    Cookie(CookieSource),
    /// `?access_token=…` (RFC 6750 section 2.3), for clients that cannot send headers. URLs end up in logs and histories, so
    /// avoid it if there is another way. The responses must have `Cache-Control: private`, which the adapters' middleware
    /// `RequireToken` and `PrivateAnswers` add.
    Query,
}

/// The sources in which tokens are accepted; by default only [`TokenSource::Header`].
///
/// ```
/// use shared_claims::{Policy, Verifier, http::{CookieSource, Sources, TokenSource}, verifier::KeySet};
/// # let keys = KeySet::from_json(br#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1",
/// #     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#)?;
///
/// let verifier = Verifier::with_keys(Policy::new("https://auth.example.com", ["orders"])?, keys)
///     .with_sources(Sources::from([TokenSource::Header, TokenSource::Cookie(CookieSource::default())]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources(Option<Arc<Enabled>>); // `None` is the header alone, so that the default costs nothing

#[derive(Debug, Default, PartialEq, Eq)]
struct Enabled {
    header: bool,
    cookie: Option<CookieSource>,
    query: bool,
}

impl FromIterator<TokenSource> for Sources {
    fn from_iter<I: IntoIterator<Item = TokenSource>>(sources: I) -> Self {
        let mut enabled = Enabled::default();
        for source in sources {
            match source {
                TokenSource::Header => enabled.header = true,
                TokenSource::Cookie(cookie) => enabled.cookie = Some(cookie),
                TokenSource::Query => enabled.query = true,
            }
        }
        let header_alone = Enabled { header: true, ..Enabled::default() };
        Self((enabled != header_alone).then(|| Arc::new(enabled)))
    }
}

impl<const N: usize> From<[TokenSource; N]> for Sources {
    fn from(sources: [TokenSource; N]) -> Self {
        sources.into_iter().collect()
    }
}

impl Sources {
    /// Returns the token of a request, unverified.
    ///
    /// # Errors
    /// [`Cause::MissingToken`] if there is none; another cause if a token that was sent may not be used.
    pub fn token_in<'r, R: Head>(&self, request: &'r R) -> Result<&'r str, Cause> {
        let Some(enabled) = &self.0 else { return in_header(request) };
        let in_header = if enabled.header { sent(in_header(request))? } else { None };
        let in_query = if enabled.query { in_query(request)? } else { None };
        let Some(source) = &enabled.cookie else { return only([in_header, in_query]) };
        let in_cookie = in_cookie(request, source)?;
        let token = only([in_header, in_query, in_cookie])?;
        if in_cookie.is_some() {
            source.check_sender(request)?;
        }
        Ok(token)
    }

    /// Returns whether the request has a token in the query and this source is enabled. The response must then be kept out of
    /// shared caches.
    pub fn has_token_in_query<R: Head>(&self, request: &R) -> bool {
        self.0.as_ref().is_some_and(|enabled| enabled.query) && parameters(request).next().is_some()
    }

    /// Returns the name of the cookie, if this source is enabled.
    pub(crate) fn cookie_name(&self) -> Option<&str> {
        self.0.as_ref()?.cookie.as_ref().map(CookieSource::name)
    }

    /// Returns the value of `bearer_methods_supported` (RFC 9728 section 2). A cookie is not one of the methods.
    #[must_use]
    pub fn bearer_methods(&self) -> Vec<&'static str> {
        let (header, query) =
            self.0.as_ref().map_or((true, false), |enabled| (enabled.header, enabled.query));
        let methods = [header.then_some("header"), query.then_some("query")];
        methods.into_iter().flatten().collect()
    }
}

fn in_header<R: Head>(request: &R) -> Result<&str, Cause> {
    token_in(request.values(Field::Authorization))
}

fn in_query<R: Head>(request: &R) -> Result<Option<&str>, Cause> {
    let mut tokens = parameters(request);
    match (tokens.next(), tokens.next()) {
        (Some(_), Some(_)) => Err(Cause::SeveralTokens),
        (token, _) => Ok(token),
    }
}

/// Returns the tokens in the query, undecoded: a token has no characters that need encoding.
fn parameters<R: Head>(request: &R) -> impl Iterator<Item = &str> {
    let pairs = request.query().unwrap_or_default().split('&');
    pairs.filter_map(|pair| match pair.split_once('=') {
        Some((PARAMETER, token)) => Some(token),
        _ => None,
    })
}

/// Returns the token in the cookie. An empty cookie counts as absent.
fn in_cookie<'r, R: Head>(request: &'r R, source: &CookieSource) -> Result<Option<&'r str>, Cause> {
    let mut tokens = cookie::values(request, source.name());
    match (tokens.next(), tokens.next()) {
        (Some(_), Some(_)) => Err(Cause::SeveralTokens),
        (None | Some(b""), None) | (None, Some(_)) => Ok(None),
        (Some(token), None) => match str::from_utf8(token) {
            Ok(token) => Ok(Some(token)),
            Err(_) => Err(Refusal::Malformed("not text").into()),
        },
    }
}

/// Turns a missing token into `None`: there may be one in another source.
fn sent(token: Result<&str, Cause>) -> Result<Option<&str>, Cause> {
    match token {
        Err(Cause::MissingToken) => Ok(None),
        token => token.map(Some),
    }
}

fn only<const N: usize>(tokens: [Option<&str>; N]) -> Result<&str, Cause> {
    let mut sent = tokens.into_iter().flatten();
    let token = sent.next().ok_or(Cause::MissingToken)?;
    if sent.next().is_some() { Err(Cause::SeveralTokens) } else { Ok(token) }
}
