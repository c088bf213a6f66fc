//! Middleware for any framework: requires a token and rights of every request, and keeps responses to requests with a token
//! in the URL out of shared caches. The adapters turn these values into middleware.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use serde::de::DeserializeOwned;

use crate::{
    claims::custom::CustomClaims,
    clock::Instant,
    faults::OncePerMinute,
    guard::Rule,
    http::{
        bearer::{AuthError, Cause},
        head::Head,
    },
    shown::Shown,
    token::AccessToken,
    verifier::Verifier,
};

/// Requires a token, and optionally rights, of every request. With actix-web, `wrap` it around a scope, resource or route;
/// with axum or any other tower service, use it as a `layer`. The inner service is only called once the token is verified.
///
/// Handlers that take an [`AccessToken`] get the token that was verified here. It is also in the request's extensions.
///
/// ```
/// # #[cfg(feature = "actix")]
/// # fn guards(verifier: shared_claims::Verifier) {
/// use shared_claims::{actix::RequireToken, guard::{owner, role, scope}};
///
/// let books = RequireToken::new(&verifier).rule(scope("books:read"));
/// let records = RequireToken::new(&verifier).rule_for(|path| owner(path.get("user_id")).or(role("admin")));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RequireToken {
    verifier: Verifier,
    rules: Vec<Rule<'static>>,
    path_rules: Vec<PathRule>,
}

#[derive(Clone)]
struct PathRule(Arc<dyn for<'a> Fn(&'a PathParams) -> Rule<'a> + Send + Sync>);

impl RequireToken {
    /// Requires a token that `verifier` accepts.
    #[must_use]
    pub fn new(verifier: &Verifier) -> Self {
        Self { verifier: verifier.clone(), rules: Vec::new(), path_rules: Vec::new() }
    }

    /// Requires a right too. If there are several rules, all must be satisfied.
    #[must_use]
    pub fn rule(mut self, rule: Rule<'static>) -> Self {
        self.rules.push(rule);
        self
    }

    /// Requires a right that depends on the path, such as ownership of the object in it. If the path of the route does not
    /// have the parameter, no user has the right.
    #[must_use]
    pub fn rule_for<F>(mut self, rule: F) -> Self
    where
        F: for<'a> Fn(&'a PathParams) -> Rule<'a> + Send + Sync + 'static,
    {
        self.path_rules.push(PathRule(Arc::new(rule)));
        self
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Returns whether [`check`](Self::check) reads the path.
    pub(crate) fn reads_path(&self) -> bool {
        !self.path_rules.is_empty()
    }

    /// Checks that the token gives every required right.
    pub(crate) fn check(&self, token: &AccessToken, path: &PathParams) -> Result<(), AuthError> {
        for rule in &self.rules {
            token.allowed_by(rule)?;
        }
        for PathRule(rule) in &self.path_rules {
            token.allowed_by(&rule(path))?;
        }
        Ok(())
    }
}

impl fmt::Debug for PathRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rule for the path")
    }
}

/// The parameters of a route's path, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathParams(Vec<(String, String)>);

impl PathParams {
    /// Returns the value of the parameter `name`, or an empty string, which is no user's id. If the path of the route does not
    /// have the parameter, the program is wrong: an error is logged, once a minute at most for each name.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        if let Some((_, value)) = self.0.iter().find(|(own, _)| own == name) {
            return value;
        }
        if should_report(name) {
            let names: Vec<_> = self.0.iter().map(|(own, _)| own.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            log::error!(
                "a rule needs the path parameter `{}`, but the route has {}: no user gets this right. Put RequireToken around \
                 the route that has the parameter, and use the route's spelling",
                Shown(name),
                Shown(names)
            );
        }
        ""
    }
}

/// The most names that are counted separately.
const MAX_NAMES: usize = 100;

/// Returns whether the missing parameter `name` should be reported now.
fn should_report(name: &str) -> bool {
    static REPORTED: Mutex<BTreeMap<String, OncePerMinute>> = Mutex::new(BTreeMap::new());
    let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
    let name = if reported.len() < MAX_NAMES || reported.contains_key(name) { name } else { "" };
    reported.entry(name.to_owned()).or_default().allows(Instant::now())
}

impl FromIterator<(String, String)> for PathParams {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(params: I) -> Self {
        Self(params.into_iter().collect())
    }
}

/// Adds `Cache-Control: private` to responses if the request had its token in the query (RFC 6750 section 2.3).
///
/// If [`TokenSource::Query`] is enabled, it is needed around handlers that take an [`AccessToken`] as a parameter: without it
/// they answer such requests with `500`. [`RequireToken`] includes it.
///
/// [`TokenSource::Query`]: crate::http::TokenSource::Query
#[derive(Clone, Debug)]
pub struct PrivateAnswers {
    verifier: Verifier,
}

impl PrivateAnswers {
    /// Creates the middleware for requests whose tokens `verifier` verifies.
    #[must_use]
    pub fn new(verifier: &Verifier) -> Self {
        Self { verifier: verifier.clone() }
    }

    pub(crate) fn apply_to<R: Head>(&self, request: &R) -> bool {
        self.verifier.sources().has_token_in_query(request)
    }
}

/// Marks a request, in its extensions, whose response will be private.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WillBePrivate;

/// The verifier that has verified the token of a request, in its extensions.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedBy(pub(crate) Verifier);

/// Returns the value of `Cache-Control` with `private` added, and without directives for shared caches. `None` if it is
/// `private` or `no-store` already.
pub(crate) fn private_cache_control(current: &str) -> Option<String> {
    let directives = || current.split(',').map(str::trim).filter(|directive| !directive.is_empty());
    let name = |directive: &str| directive.split('=').next().unwrap_or_default().to_ascii_lowercase();
    if directives()
        .any(|directive| ["private", "no-store"].iter().any(|own| directive.eq_ignore_ascii_case(own)))
    {
        return None;
    }
    let kept =
        directives().filter(|directive| !["private", "public", "s-maxage"].contains(&&*name(directive)));
    Some([vec!["private"], kept.collect()].concat().join(", "))
}

/// Refuses a token in the query if the response would not be marked as private.
pub(crate) fn check_private<R: Head>(
    verifier: &Verifier,
    request: &R,
    will_be_private: bool,
) -> Result<(), AuthError> {
    if will_be_private || !verifier.sources().has_token_in_query(request) {
        return Ok(());
    }
    log::error!("tokens in the query need PrivateAnswers or RequireToken around the handlers");
    Err(verifier.auth_error(Cause::NotSetUp("tokens in the query, and no PrivateAnswers")))
}

/// An extracted token that may be absent, for handlers that accept anonymous clients. Without a token it is `None`; an invalid
/// token is still refused.
#[derive(Clone, Debug)]
pub struct OptionalToken(pub Option<AccessToken>);

impl OptionalToken {
    pub(crate) fn from_result(token: Result<AccessToken, AuthError>) -> Result<Self, AuthError> {
        match token {
            Err(error) if *error.cause() == Cause::MissingToken => Ok(Self(None)),
            token => token.map(|token| Self(Some(token))),
        }
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static> CustomClaims<C> {
    pub(crate) fn from_result(token: Result<AccessToken, AuthError>) -> Result<Self, AuthError> {
        let token = token?;
        token.clone().read().map_err(|refusal| token.auth_error(refusal))
    }
}
