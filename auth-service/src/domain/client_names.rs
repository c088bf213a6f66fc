//! Names of clients, and their `client_id`.

/// What stands before a client's name in its `client_id`, so that it can never be a user's id (RFC 9700 section 4.15).
const PREFIX: &str = "client:";

/// The `client_id` of the client of this name.
#[must_use]
pub fn client_id(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// The name of the client with this `client_id`; the name alone is taken as well, because many HTTP libraries cannot put a
/// colon into Basic credentials.
#[must_use]
pub fn name_of(client_id: &str) -> &str {
    client_id.strip_prefix(PREFIX).unwrap_or(client_id)
}

/// Whether a client can be called this: 1 to 64 letters, digits, `.`, `_`, `-`.
#[must_use]
pub fn is_client_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    // `client` alone would make `client:x` ambiguous.
    (1..=64).contains(&name.len()) && name.bytes().all(plain) && name != "client"
}
