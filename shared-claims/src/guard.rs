//! Rules for authorization: what a handler requires of a verified token, such as a scope, a role, ownership or a recent
//! login.
//!
//! Rules are values that read as sentences. They depend only on the claims and the time.
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

/// How many seconds a login may lie in the future: the issuer's clock may be ahead by that much.
const CLOCK_SKEW: u64 = 60;

/// A requirement on a token. Created by the functions of this module, combined with [`or`](Rule::or) and
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

/// Requires the scope `name` (RFC 8693 section 4.2). Otherwise the answer is `403` with `error="insufficient_scope"` (RFC 6750
/// section 3.1).
#[must_use]
pub fn scope(name: &str) -> Rule<'_> {
    Rule(Kind::Scope(name))
}

/// Requires the role `name` (RFC 9068 section 2.2.3.1).
#[must_use]
pub fn role(name: &str) -> Rule<'_> {
    Rule(Kind::Role(name))
}

/// Requires that the token is about this user: `sub` equals `user_id`.
#[must_use]
pub fn owner(user_id: &str) -> Rule<'_> {
    Rule(Kind::Owner(user_id))
}

/// Requires that the user logged in at most `time` ago (`auth_time`), in whole seconds by this service's clock. A token
/// without `auth_time` does not satisfy it, nor does one whose login lies more than 60 seconds in the future.
///
/// Otherwise the client is asked to have the user log in again (RFC 9470): `401` with
/// `error="insufficient_user_authentication", max_age="…"`.
#[must_use]
pub fn login_within(time: Duration) -> Rule<'static> {
    Rule(Kind::LoginWithin(time.as_secs()))
}

/// Requires at least one of the scopes `names`; without names, no token satisfies it. The answer to a client that has none of
/// them names the first.
#[must_use]
pub fn any_scope<'a>(names: impl IntoIterator<Item = &'a str>) -> Rule<'a> {
    any_of(names.into_iter().map(scope))
}

/// Requires all of the scopes `names`; without names, every token satisfies it.
#[must_use]
pub fn all_scopes<'a>(names: impl IntoIterator<Item = &'a str>) -> Rule<'a> {
    all_of(names.into_iter().map(scope))
}

/// Requires at least one of `rules`; without rules, no token satisfies it.
#[must_use]
pub fn any_of<'a>(rules: impl IntoIterator<Item = Rule<'a>>) -> Rule<'a> {
    rules.into_iter().reduce(Rule::or).unwrap_or(Rule(Kind::Never))
}

/// Requires all of `rules`; without rules, every token satisfies it.
#[must_use]
pub fn all_of<'a>(rules: impl IntoIterator<Item = Rule<'a>>) -> Rule<'a> {
    rules.into_iter().reduce(Rule::and).unwrap_or(Rule(Kind::Nothing))
}

impl Rule<'_> {
    /// Requires this rule or the other.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(Kind::Either(Box::new((self, other))))
    }

    /// Requires this rule and the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(Kind::Both(Box::new((self, other))))
    }

    /// Checks the claims without a time, so that no login counts as recent: [`login_within`] is never satisfied.
    ///
    /// # Errors
    /// [`Denied`] if the claims do not satisfy the rule.
    pub fn check(self, claims: &Claims) -> Result<(), Denied> {
        self.check_at(claims, u64::MAX)
    }

    /// Checks the claims at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// [`Denied`] if the claims do not satisfy the rule.
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

    /// Returns what a client could do to satisfy the rule for this user, or `None` if nothing would.
    fn remedy(&self, claims: &Claims, now: u64) -> Option<Denied> {
        match &self.0 {
            Kind::Both(rules) => Some(rules.0.remedy(claims, now)?.and(rules.1.remedy(claims, now)?)),
            Kind::Either(rules) => rules.0.remedy(claims, now).or_else(|| rules.1.remedy(claims, now)),
            // Scopes that the token has are named as well: a client asks for all that it needs.
            Kind::Scope(name) => Some(Denied { scopes: vec![(*name).to_owned()], max_age: None }),
            _ if self.holds(claims, now) => Some(Denied::default()),
            Kind::LoginWithin(secs) => Some(Denied { scopes: Vec::new(), max_age: Some(*secs) }),
            _ => None,
        }
    }
}

/// The token is valid but does not give a required right.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("the token does not give this right")]
pub struct Denied {
    scopes: Vec<String>,
    max_age: Option<u64>,
}

impl Denied {
    /// Returns the scopes that a token needs; none if a scope is not what is missing.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Returns how many seconds ago the user may have logged in, if a more recent login is what is missing.
    #[must_use]
    pub fn max_age(&self) -> Option<u64> {
        self.max_age
    }

    /// Returns what satisfies both: all scopes, and the more recent login.
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
