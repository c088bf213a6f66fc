//! Roles and what they allow. A user has roles; the settings say which scopes a role gives (RFC 6749 section 3.3).

use std::collections::{BTreeMap, BTreeSet};

/// Role -> scopes.
#[derive(Debug, Clone, Default)]
pub struct Roles(pub BTreeMap<String, Vec<String>>);

/// A role that operators do not need to define: it may use the administration.
pub const ADMIN: &str = "admin";

impl Roles {
    /// The `scope` of a user with these roles: each scope once, in alphabetical order, separated by spaces.
    #[must_use]
    pub fn scope<'a>(&self, roles: impl Iterator<Item = &'a str>) -> String {
        let scopes: BTreeSet<&str> =
            roles.filter_map(|role| self.0.get(role)).flatten().map(String::as_str).collect();
        scopes.into_iter().collect::<Vec<_>>().join(" ")
    }

    /// Whether the settings say anything about a role of this name.
    #[must_use]
    pub fn knows(&self, role: &str) -> bool {
        self.0.contains_key(role)
    }
}

/// Adds and removes roles in a list separated by spaces; the result is sorted.
#[must_use]
pub fn changed(roles: &str, add: &[String], remove: &[String]) -> String {
    let mut set: BTreeSet<&str> = roles.split_ascii_whitespace().collect();
    set.extend(add.iter().map(String::as_str));
    for role in remove {
        set.remove(role.as_str());
    }
    set.into_iter().collect::<Vec<_>>().join(" ")
}

/// Whether a role's name can stand in a list separated by spaces, and in a token, without surprises.
#[must_use]
pub fn is_role_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_that_two_roles_give_stands_once() {
        let scopes = |list: &[&str]| list.iter().map(|scope| (*scope).to_owned()).collect();
        let roles = Roles(BTreeMap::from([
            ("reader".to_owned(), scopes(&["b:read", "a:read"])),
            ("writer".to_owned(), scopes(&["b:read", "b:write"])),
        ]));
        assert_eq!(roles.scope(["writer", "reader", "unheard-of"].into_iter()), "a:read b:read b:write");
    }

    #[test]
    fn roles_are_added_and_removed() {
        let named = |name: &str| [name.to_owned()];
        assert_eq!(changed("b a", &named("c"), &named("a")), "b c");
        assert_eq!(changed("", &[], &named("a")), "");
    }
}
