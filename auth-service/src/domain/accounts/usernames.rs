//! User names.

use crate::domain::invalid::Invalid;

/// A user name, folded: ASCII only, so that no two of them look alike.
pub(in crate::domain) fn parse_username(text: &str) -> Result<String, Invalid> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (3..=32).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_ascii_lowercase());
    }
    let message = "A user name has 3 to 32 of these: letters, digits, `.`, `_`, `-`.".to_owned();
    Err(Invalid { field: "username", code: "not_allowed", message })
}

/// A reserved name as registrations meet it; `None` when no account can be called so.
#[must_use]
pub fn folded_username(text: &str) -> Option<String> {
    parse_username(text).ok()
}
