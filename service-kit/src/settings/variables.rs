//! Environment variables, and how they are named after keys.

use std::collections::HashMap;

/// The variables of the process environment that belong to a service, or those that a test sets.
pub type Variables = HashMap<String, String>;

/// Returns the name of the variable that sets `key`, such as `AUTH__TOKENS__ACCESS_TTL` for `tokens.access_ttl`.
pub(crate) fn variable(prefix: &str, key: &str) -> String {
    format!("{prefix}__{}", key.to_uppercase().replace('.', "__"))
}
