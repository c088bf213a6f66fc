//! What stands before handlers, in any framework: demands a token and rights of every request, and keeps answers to
//! tokens in URLs out of shared caches. The adapters make middleware of these values.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use serde::de::DeserializeOwned;

use crate::{
    claims::custom::OwnClaims,
    clock::Instant,
    faults::Limit,
    guard::Rule,
    http::{
        bearer::{AuthError, Cause},
        head::Head,
    },
    shown::Shown,
    token::AccessToken,
    verifier::Verifier,
};

/// Demands a token, and maybe rights, of every request: `wrap` it around a scope, resource or route of actix-web, or use
/// it as a `layer` of an axum router or any other tower service. What is behind it is not called before the token is
/// verified.
///
/// Handlers behind it that take an [`AccessToken`] get the one that was verified here. It is also in the request's
/// extensions.
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
    /// Demands a token that `verifier` accepts.
    #[must_use]
    pub fn new(verifier: &Verifier) -> Self {
        Self { verifier: verifier.clone(), rules: Vec::new(), path_rules: Vec::new() }
    }

    /// Demands a right, too. With more than one rule, all must hold.
    #[must_use]
    pub fn rule(mut self, rule: Rule<'static>) -> Self {
        self.rules.push(rule);
        self
    }

    /// Demands a right that depends on the path, such as to be the owner of what it names. Where the path of the route
    /// has no such parameter, nobody is.
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

    /// Whether [`check`](Self::check) looks at the path.
    pub(crate) fn looks_at_path(&self) -> bool {
        !self.path_rules.is_empty()
    }

    /// Whether the token gives every right that is demanded.
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
    /// The value of the parameter `name`, or nothing, which is no user's id. A name that the path of the route does not have is
    /// a mistake in the program: the log has an error that says so, once a minute at most for each name.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        if let Some((_, value)) = self.0.iter().find(|(own, _)| own == name) {
            return value;
        }
        if may_report(name) {
            let names: Vec<_> = self.0.iter().map(|(own, _)| own.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            log::error!(
                "a rule asks for the path parameter `{}`, and the route has {}: no user gets this right. Put RequireToken around \
                 the route that has the parameter, and spell it as the route does",
                Shown(name),
                Shown(names)
            );
        }
        ""
    }
}

/// Names come from the program; more than so many are not kept apart.
const MAX_NAMES: usize = 100;

/// Whether the missing parameter `name` is to be reported now.
fn may_report(name: &str) -> bool {
    static REPORTED: Mutex<BTreeMap<String, Limit>> = Mutex::new(BTreeMap::new());
    let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
    let name = if reported.len() < MAX_NAMES || reported.contains_key(name) { name } else { "" };
    reported.entry(name.to_owned()).or_default().allows(Instant::now())
}

impl FromIterator<(String, String)> for PathParams {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(params: I) -> Self {
        Self(params.into_iter().collect())
    }
}

/// Marks answers with `Cache-Control: private` when the request carried its token in the query (RFC 6750 section 2.3).
///
/// Needed around handlers that take an [`AccessToken`] as a parameter where [`TokenSource::Query`] is switched on:
/// without it they answer such requests with `500`. [`RequireToken`] does the same by itself.
///
/// [`TokenSource::Query`]: crate::http::TokenSource::Query
#[derive(Clone, Debug)]
pub struct PrivateAnswers {
    verifier: Verifier,
}

impl PrivateAnswers {
    /// For the tokens that `verifier` takes.
    #[must_use]
    pub fn new(verifier: &Verifier) -> Self {
        Self { verifier: verifier.clone() }
    }

    pub(crate) fn are_due_to<R: Head>(&self, request: &R) -> bool {
        self.verifier.sources().has_token_in_query(request)
    }
}

/// In the extensions of a request whose answer will be marked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WillBePrivate;

/// In the extensions of a request whose token was verified before its handler: by whom.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedBy(pub(crate) Verifier);

/// What `Cache-Control` says when it has become private; `None` when it was already, or more than that. What speaks to
/// shared caches is left out.
pub(crate) fn made_private(says: &str) -> Option<String> {
    let directives = || says.split(',').map(str::trim).filter(|directive| !directive.is_empty());
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

/// A handler takes a token out of a query whose answer nobody would mark.
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

/// An extracted token that may be absent: for handlers that anonymous callers may use. No token is `None`, but a bad
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

impl<C: DeserializeOwned + Send + Sync + 'static> OwnClaims<C> {
    pub(crate) fn from_result(token: Result<AccessToken, AuthError>) -> Result<Self, AuthError> {
        let token = token?;
        token.clone().read().map_err(|refusal| token.auth_error(refusal))
    }
}
