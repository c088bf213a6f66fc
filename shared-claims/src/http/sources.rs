//! Where in a request a token may stand: the `Authorization` header, unless more is switched on.
//!
//! A request that carries a token in two of these places is refused (RFC 6750 section 2); places that are not switched
//! on are not looked at.

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

/// A place in a request where a token may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSource {
    /// `Authorization: Bearer …` (RFC 6750 section 2.1).
    Header,
    /// A cookie, for pages of a browser. Such requests must show that they come from an own page.
    Cookie(CookieSource),
    /// `?access_token=…` (RFC 6750 section 2.3), for what cannot send headers. URLs are written into logs and histories:
    /// leave it off where anything else will do. The answers must be marked with `Cache-Control: private`, which
    /// the middleware `RequireToken` and `PrivateAnswers` of the adapters do.
    Query,
}

/// The places where a token may stand; by default [`TokenSource::Header`] alone.
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
pub struct Sources(Option<Arc<Chosen>>); // `None` is the header alone: what most use costs nothing

#[derive(Debug, Default, PartialEq, Eq)]
struct Chosen {
    header: bool,
    cookie: Option<CookieSource>,
    query: bool,
}

impl FromIterator<TokenSource> for Sources {
    fn from_iter<I: IntoIterator<Item = TokenSource>>(sources: I) -> Self {
        let mut chosen = Chosen::default();
        for source in sources {
            match source {
                TokenSource::Header => chosen.header = true,
                TokenSource::Cookie(cookie) => chosen.cookie = Some(cookie),
                TokenSource::Query => chosen.query = true,
            }
        }
        let header_alone = Chosen { header: true, ..Chosen::default() };
        Self((chosen != header_alone).then(|| Arc::new(chosen)))
    }
}

impl<const N: usize> From<[TokenSource; N]> for Sources {
    fn from(sources: [TokenSource; N]) -> Self {
        sources.into_iter().collect()
    }
}

impl Sources {
    /// The token of a request, not verified yet.
    ///
    /// # Errors
    /// [`Cause::MissingToken`], or why a token that was sent is not looked at.
    pub fn token_in<'r, R: Head>(&self, request: &'r R) -> Result<&'r str, Cause> {
        let Some(chosen) = &self.0 else { return in_header(request) };
        let in_header = if chosen.header { sent(in_header(request))? } else { None };
        let in_query = if chosen.query { in_query(request)? } else { None };
        let Some(source) = &chosen.cookie else { return only([in_header, in_query]) };
        let in_cookie = in_cookie(request, source)?;
        let token = only([in_header, in_query, in_cookie])?;
        if in_cookie.is_some() {
            source.check_sender(request)?;
        }
        Ok(token)
    }

    /// Whether a token stands in the query, and may: then the answer must be kept out of shared caches.
    pub fn has_token_in_query<R: Head>(&self, request: &R) -> bool {
        self.0.as_ref().is_some_and(|chosen| chosen.query) && parameters(request).next().is_some()
    }

    /// The cookie in which a token may stand, if one may.
    pub(crate) fn cookie_name(&self) -> Option<&str> {
        self.0.as_ref()?.cookie.as_ref().map(CookieSource::name)
    }

    /// As `bearer_methods_supported` names them (RFC 9728 section 2). A cookie is none of them.
    #[must_use]
    pub fn bearer_methods(&self) -> Vec<&'static str> {
        let (header, query) = self.0.as_ref().map_or((true, false), |chosen| (chosen.header, chosen.query));
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

/// Nothing is decoded: a token has no character that would have to be encoded.
fn parameters<R: Head>(request: &R) -> impl Iterator<Item = &str> {
    let pairs = request.query().unwrap_or_default().split('&');
    pairs.filter_map(|pair| match pair.split_once('=') {
        Some((PARAMETER, token)) => Some(token),
        _ => None,
    })
}

/// An empty cookie is one that was taken back.
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

/// No token in a place is no failure while there are others.
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
