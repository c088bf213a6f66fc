//! What a handler may ask of a token that has been verified: a scope, a role, that it is the owner's.
//!
//! Rules are data and read as sentences; they decide from the claims alone.
//!
//! ```
//! # use shared_claims::{AccessToken, AuthError};
//! use shared_claims::guard::{owner, role, scope};
//!
//! fn download(token: &AccessToken) -> Result<(), AuthError> {
//!     token.require(scope("books:download"))
//! }
//!
//! fn read_records(token: &AccessToken, user_id: &str) -> Result<(), AuthError> {
//!     token.require(owner(user_id).or(role("admin")))
//! }
//! ```

use crate::Claims;

/// Something a token must have. Made by [`scope`], [`role`] and [`owner`], combined by [`or`](Rule::or) and
/// [`and`](Rule::and).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule<'a>(Kind<'a>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind<'a> {
    Scope(&'a str),
    Role(&'a str),
    Owner(&'a str),
    Either(Box<(Rule<'a>, Rule<'a>)>),
    Both(Box<(Rule<'a>, Rule<'a>)>),
}

/// The token's `scope` holds `name`.
#[must_use]
pub fn scope(name: &str) -> Rule<'_> {
    Rule(Kind::Scope(name))
}

/// The token's `roles` hold `name`.
#[must_use]
pub fn role(name: &str) -> Rule<'_> {
    Rule(Kind::Role(name))
}

/// The token is about this user: `sub` is `user_id`.
#[must_use]
pub fn owner(user_id: &str) -> Rule<'_> {
    Rule(Kind::Owner(user_id))
}

impl<'a> Rule<'a> {
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

    /// Decides.
    ///
    /// # Errors
    /// When the claims do not satisfy the rule.
    pub fn check(self, claims: &Claims) -> Result<(), Denied> {
        if self.holds(claims) {
            return Ok(());
        }
        let scopes = self.scopes_wanted(claims).unwrap_or_default();
        Err(Denied { scopes: scopes.into_iter().map(str::to_owned).collect() })
    }

    fn holds(&self, claims: &Claims) -> bool {
        match &self.0 {
            Kind::Scope(name) => claims.has_scope(name),
            Kind::Role(name) => claims.has_role(name),
            Kind::Owner(id) => claims.sub == *id,
            Kind::Either(rules) => rules.0.holds(claims) || rules.1.holds(claims),
            Kind::Both(rules) => rules.0.holds(claims) && rules.1.holds(claims),
        }
    }

    /// The scopes with which these claims would do, or `None` if no scope can help.
    fn scopes_wanted(&self, claims: &Claims) -> Option<Vec<&'a str>> {
        match &self.0 {
            Kind::Scope(name) => Some(vec![name]),
            Kind::Role(_) | Kind::Owner(_) => self.holds(claims).then(Vec::new),
            Kind::Either(rules) => rules.0.scopes_wanted(claims).or_else(|| rules.1.scopes_wanted(claims)),
            Kind::Both(rules) => {
                let (mut all, more) = (rules.0.scopes_wanted(claims)?, rules.1.scopes_wanted(claims)?);
                all.extend(more.into_iter().filter(|scope| !all.contains(scope)).collect::<Vec<_>>());
                Some(all)
            }
        }
    }
}

/// The token is good, and does not give this right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token does not give this right")]
pub struct Denied {
    scopes: Vec<String>,
}

impl Denied {
    /// The scopes with which the answer would be another; none when a scope is not what is missing.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }
}
