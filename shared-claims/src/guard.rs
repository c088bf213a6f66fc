//! What a handler may ask of a token that has been verified: a scope, a role, that it is the owner's, that the login
//! was not long ago.
//!
//! Rules are data and read as sentences; they decide from the claims alone.
//!
//! ```
//! # use {shared_claims::{AccessToken, error::AuthError}, std::time::Duration};
//! use shared_claims::guard::{any_scope, login_within, owner, role, scope};
//!
//! fn download(token: &AccessToken) -> Result<(), AuthError> {
//!     token.require(scope("books:download"))
//! }
//!
//! fn read_records(token: &AccessToken, user_id: &str) -> Result<(), AuthError> {
//!     token.require(owner(user_id).or(role("admin")))
//! }
//!
//! fn pay(token: &AccessToken) -> Result<(), AuthError> {
//!     token.require(any_scope(["pay", "pay:small"]).and(login_within(Duration::from_secs(300))))
//! }
//! ```

use std::time::Duration;

use crate::claims::standard::Claims;

/// How many seconds ahead of this service's clock a login may lie: the issuer's clock may be ahead by that much.
const CLOCK_SKEW: u64 = 60;

/// Something a token must have. Made by the functions of this module, combined by [`or`](Rule::or) and
/// [`and`](Rule::and).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule<'a>(Kind<'a>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind<'a> {
    Scope(&'a str),
    Role(&'a str),
    Owner(&'a str),
    LoginWithin(u64),
    Nothing,
    Never,
    Either(Box<(Rule<'a>, Rule<'a>)>),
    Both(Box<(Rule<'a>, Rule<'a>)>),
}

/// The token's `scope` holds `name` (RFC 8693 section 4.2). Else: `403` with `error="insufficient_scope"` (RFC 6750 section 3.1).
#[must_use]
pub fn scope(name: &str) -> Rule<'_> {
    Rule(Kind::Scope(name))
}

/// The token's `roles` hold `name` (RFC 9068 section 2.2.3.1).
#[must_use]
pub fn role(name: &str) -> Rule<'_> {
    Rule(Kind::Role(name))
}

/// The token is about this user: `sub` is `user_id`.
#[must_use]
pub fn owner(user_id: &str) -> Rule<'_> {
    Rule(Kind::Owner(user_id))
}

/// The user proved who they are at most so long ago (`auth_time`), in whole seconds by this service's clock. A token
/// that does not tell when is not enough, and neither is one whose login lies more than 60 seconds in the future: the
/// clocks disagree, and how long ago it was is unknown.
///
/// Otherwise the client is asked to let the user log in again (RFC 9470): `401` with
/// `error="insufficient_user_authentication", max_age="…"`.
#[must_use]
pub fn login_within(time: Duration) -> Rule<'static> {
    Rule(Kind::LoginWithin(time.as_secs()))
}

/// The token's `scope` holds at least one of `names`; with no names, no token is enough. A client that has none of them
/// is told the first.
#[must_use]
pub fn any_scope<'a>(names: impl IntoIterator<Item = &'a str>) -> Rule<'a> {
    any_of(names.into_iter().map(scope))
}

/// The token's `scope` holds all of `names`; with no names, any token is enough.
#[must_use]
pub fn all_scopes<'a>(names: impl IntoIterator<Item = &'a str>) -> Rule<'a> {
    all_of(names.into_iter().map(scope))
}

/// At least one of `rules` holds; none of no rules does.
#[must_use]
pub fn any_of<'a>(rules: impl IntoIterator<Item = Rule<'a>>) -> Rule<'a> {
    rules.into_iter().reduce(Rule::or).unwrap_or(Rule(Kind::Never))
}

/// All of `rules` hold; all of no rules do.
#[must_use]
pub fn all_of<'a>(rules: impl IntoIterator<Item = Rule<'a>>) -> Rule<'a> {
    rules.into_iter().reduce(Rule::and).unwrap_or(Rule(Kind::Nothing))
}

impl Rule<'_> {
    /// This rule or the other.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(Kind::Either(Box::new((self, other))))
    }

    /// This rule and the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(Kind::Both(Box::new((self, other))))
    }

    /// Decides without knowing the time, so that no login is recent: [`login_within`] does not hold.
    ///
    /// # Errors
    /// When the claims do not satisfy the rule.
    pub fn check(self, claims: &Claims) -> Result<(), Denied> {
        self.check_at(claims, u64::MAX)
    }

    /// Decides, with `now` in seconds since 1970.
    ///
    /// # Errors
    /// When the claims do not satisfy the rule.
    pub fn check_at(&self, claims: &Claims, now: u64) -> Result<(), Denied> {
        if self.holds(claims, now) {
            return Ok(());
        }
        Err(self.remedy(claims, now).unwrap_or_default())
    }

    fn holds(&self, claims: &Claims, now: u64) -> bool {
        match &self.0 {
            Kind::Scope(name) => claims.has_scope(name),
            Kind::Role(name) => claims.has_role(name),
            Kind::Owner(id) => claims.sub == *id,
            Kind::LoginWithin(secs) => claims.auth_time.is_some_and(|login| {
                login <= now.saturating_add(CLOCK_SKEW) && now.saturating_sub(login) <= *secs
            }),
            Kind::Nothing => true,
            Kind::Never => false,
            Kind::Either(rules) => rules.0.holds(claims, now) || rules.1.holds(claims, now),
            Kind::Both(rules) => rules.0.holds(claims, now) && rules.1.holds(claims, now),
        }
    }

    /// What a client could do so that these claims' user is let through, or `None` if it can do nothing.
    fn remedy(&self, claims: &Claims, now: u64) -> Option<Denied> {
        match &self.0 {
            Kind::Both(rules) => Some(rules.0.remedy(claims, now)?.and(rules.1.remedy(claims, now)?)),
            Kind::Either(rules) => rules.0.remedy(claims, now).or_else(|| rules.1.remedy(claims, now)),
            // Scopes that are there are named as well: a client asks for all that it needs.
            Kind::Scope(name) => Some(Denied { scopes: vec![(*name).to_owned()], max_age: None }),
            _ if self.holds(claims, now) => Some(Denied::default()),
            Kind::LoginWithin(secs) => Some(Denied { scopes: Vec::new(), max_age: Some(*secs) }),
            _ => None,
        }
    }
}

/// The token is good, and does not give this right.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("the token does not give this right")]
pub struct Denied {
    scopes: Vec<String>,
    max_age: Option<u64>,
}

impl Denied {
    /// The scopes with which the answer would be another; none when a scope is not what is missing.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// How many seconds ago the user may have logged in, when a new login is what is missing.
    #[must_use]
    pub fn max_age(&self) -> Option<u64> {
        self.max_age
    }

    /// Both at once: all scopes, and the more recent login.
    fn and(mut self, other: Self) -> Self {
        for scope in other.scopes {
            if !self.scopes.contains(&scope) {
                self.scopes.push(scope);
            }
        }
        self.max_age = [self.max_age, other.max_age].into_iter().flatten().min();
        self
    }
}
