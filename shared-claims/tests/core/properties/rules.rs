//! Properties of rules.

use super::shared::cases;
use super::strategies;
use super::strategies::Tree;
use super::strategies::WORDS;
use crate::support::NOW;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use shared_claims::claims::Claims;
use shared_claims::guard;
use shared_claims::guard::Rule;
use std::collections::HashSet;
use std::time::Duration;

fn rule(tree: &Tree) -> Rule<'_> {
    match tree {
        Tree::Scope(name) => guard::scope(name),
        Tree::Role(name) => guard::role(name),
        Tree::Owner(id) => guard::owner(id),
        Tree::Login(secs) => guard::login_within(Duration::from_secs(*secs)),
        Tree::AnyScope(names) => guard::any_scope(names.iter().copied()),
        Tree::AllScopes(names) => guard::all_scopes(names.iter().copied()),
        Tree::And(one, other) => rule(one).and(rule(other)),
        Tree::Or(one, other) => rule(one).or(rule(other)),
        Tree::Any(rules) => guard::any_of(rules.iter().map(rule)),
        Tree::All(rules) => guard::all_of(rules.iter().map(rule)),
    }
}

/// The rights of a token, as sets of words.
#[derive(Clone, Debug)]
struct Rights {
    scopes: HashSet<String>,
    roles: HashSet<String>,
    sub: &'static str,
    auth_time: Option<u64>,
}

impl Rights {
    fn satisfy(&self, tree: &Tree) -> bool {
        match tree {
            Tree::Scope(name) => self.scopes.contains(*name),
            Tree::Role(name) => self.roles.contains(*name),
            Tree::Owner(id) => self.sub == *id,
            Tree::Login(secs) => self.auth_time.is_some_and(|login| login + secs >= NOW && login <= NOW + 60),
            Tree::AnyScope(names) => names.iter().any(|name| self.scopes.contains(*name)),
            Tree::AllScopes(names) => names.iter().all(|name| self.scopes.contains(*name)),
            Tree::And(one, other) => self.satisfy(one) && self.satisfy(other),
            Tree::Or(one, other) => self.satisfy(one) || self.satisfy(other),
            Tree::Any(rules) => rules.iter().any(|rule| self.satisfy(rule)),
            Tree::All(rules) => rules.iter().all(|rule| self.satisfy(rule)),
        }
    }

    fn claims(&self) -> Claims {
        let scopes: Vec<_> = self.scopes.iter().map(String::as_str).collect();
        let mut claims = crate::support::claims();
        claims["sub"] = json!(self.sub);
        claims["scope"] = json!(scopes.join(" "));
        claims["roles"] = json!(self.roles);
        match self.auth_time {
            Some(login) => claims["auth_time"] = json!(login),
            None => claims = crate::support::without(claims, "auth_time"),
        }
        serde_json::from_value(claims).unwrap()
    }
}

fn words(chosen: [bool; 4]) -> HashSet<String> {
    WORDS.iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(word, _)| (*word).to_owned()).collect()
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn rules_are_logic_and_a_client_that_does_what_it_is_told_is_let_through(
        tree in strategies::tree(),
        scopes in any::<[bool; 4]>(),
        roles in any::<[bool; 4]>(),
        sub in select(&WORDS[..]),
        auth_time in option::of(NOW - 100..NOW + 100),
    ) {
        let mut rights = Rights { scopes: words(scopes), roles: words(roles), sub, auth_time };
        let decided = rule(&tree).check_at(&rights.claims(), NOW);
        prop_assert_eq!(decided.is_ok(), rights.satisfy(&tree));
        if let Err(denied) = decided && (!denied.scopes().is_empty() || denied.max_age().is_some()) {
            rights.scopes.extend(denied.scopes().iter().cloned());
            if let Some(secs) = denied.max_age() {
                rights.auth_time = Some(NOW - secs);
            }
            prop_assert_eq!(rule(&tree).check_at(&rights.claims(), NOW), Ok(()), "{:?}", denied);
        }
    }
}
